"""Results by segment of customers, and by group of a sensitive attribute where the shop gives one."""

import math
from collections.abc import Sequence

import numpy as np

from ltv_train.judging.evaluation import Fold
from ltv_train.judging.segments import DEFINITIONS, MIN_USERS, Group, Segments
from ltv_train.metrics.classification import auc
from ltv_train.metrics.value import bias, mae, normalised_gini, spearman
from ltv_train.money import Money
from ltv_train.pages.story import Story
from ltv_train.report import Row, Section, Table, number

_COLUMNS = ("customers", "share of spend", "Gini", "Spearman", "MAE", "bias", "bias of spend", "AUC purchase")


def by_segment(story: Story) -> list[Section]:
    """The newest origin, longest horizon: the candidate of the page beside the best baseline."""
    fold = story.newest
    if fold is None or fold.segments is None:
        return []
    names = list(dict.fromkeys((story.name, story.backtest.verdict.best_baseline)))
    told = fold.segments
    own = [group for group in told.groups if group.by == "segment"]
    lines = [f"{story.longest_days} days from {fold.origin}; who is who is decided by what was known on that day."]
    notes = [f"{name.capitalize()}: {meaning}." for name, meaning in DEFINITIONS.items()]
    made = [Section("Segments", lines, *_table("segment", fold, own, names, story), notes=notes)]
    return made + _by_attribute(fold, told, names, story)


def _by_attribute(fold: Fold, told: Segments, names: Sequence[str], story: Story) -> list[Section]:
    tables, notes = [], []
    for attribute, (groups, users) in told.left_out.items():
        mine = [group for group in told.groups if group.by == attribute]
        if mine:
            tables.append(Table(attribute, *_table(attribute, fold, mine, names, story)))
        if groups:
            notes.append(
                f"{attribute}: {groups} group(s) of under {MIN_USERS} customers, {users:,} customers in all, left out."
            )
    if not told.left_out:
        return []
    lines = [
        "Sensitive attributes are kept because the shop's configuration allows it (use_sensitive). Shown is whether "
        "the score is as good and as true for each group; the groups change nothing."
    ]
    return [Section("Groups of customers", lines, tables=tables, notes=notes)]


def _table(
    by: str, fold: Fold, groups: Sequence[Group], names: Sequence[str], story: Story
) -> tuple[list[str], list[Row]]:
    every = Group(by, "all", np.ones(len(fold.user_key), bool))
    rows = [
        Row([group.name, name, *_cells(fold, group, name, story.money)], name == story.chosen)
        for group in (*groups, every)
        for name in names
    ]
    return [by, "candidate", *_COLUMNS], rows


def _cells(fold: Fold, group: Group, name: str, money: Money) -> list[str]:
    rows = np.flatnonzero(group.users)
    truth, said = fold.spend[rows, -1], fold.predictions[name].take(rows)
    total, mean = fold.spend[:, -1].sum(), truth.mean() if len(rows) else math.nan
    off = bias(truth, said.mean[:, -1])
    return [
        f"{len(rows):,}",
        number(truth.sum() / total if total else math.nan, ".1%"),
        number(normalised_gini(truth, said.mean[:, -1]), ".3f"),
        number(spearman(truth, said.mean[:, -1]), ".3f"),
        money(mae(truth, said.median[:, -1])),
        money(off, "+,.2f"),
        number(off / mean if mean else math.nan, "+.1%"),
        number(auc(fold.purchased[rows, -1], said.p_purchase[:, -1]), ".3f"),
    ]
