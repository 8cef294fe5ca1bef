"""The explanation as sections of a report, and the top customers as a page of their own.

Room: numbers in, words and pictures out. The page of customers holds their ids as they are in the lake: it is for
people inside the shop, and is copied nowhere. May import: report, plots.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy import stats

from ltv_features.aggregates import AGGREGATES
from ltv_train import plots
from ltv_train.explain.contributions import Contributions
from ltv_train.explain.importance import Importance
from ltv_train.explain.night import LEAST_AGREEMENT, RECENT_DAYS, Boosted, Explanation
from ltv_train.explain.words import phrase_of
from ltv_train.money import Money
from ltv_train.report import Picture, Row, Section, number, page

_STRIPS = 8
_POINTS = 1_000
_MEANING = {each.name: each.meaning for each in AGGREGATES}


def sections(told: Explanation, money: Money) -> list[Section]:
    """What the published model listens to: parts, features, and the sequence of events."""
    made = [_importance(told), *_boosted(told.boosted, told), _effects(told, money)]
    missing = [Section("Not explained", told.missing)] if told.missing else []
    return [section for section in made if section] + missing


def customers_page(told: Explanation, user_ids: Sequence[str], money: Money, *, as_of: str) -> str:
    """The customers with the highest published value one by one; `user_ids` in the order of `told.customers.rows`."""
    lead = f"The {len(user_ids)} customers with the highest value that {told.name} publishes, up to "
    lead += f"{told.horizons_days[-1]} days. Customer ids are personal: this page stays inside, and is copied nowhere."
    made = [Section("How to read the reasons", _about_reasons(told.boosted))] if told.boosted else []
    for place, user in enumerate(user_ids):
        value = money.said(told.customers.said.mean[place, -1])
        made.append(Section(f"{place + 1}. {user}: {value}", _about_customer(told, place, money)))
    return page(f"Top customers of {as_of}", lead, made, "Written by evaluate.")


def _about_customer(told: Explanation, place: int, money: Money) -> list[str]:
    top, days = told.customers, told.horizons_days[-1]
    lines = [f"Buys within {days} days with a probability of {top.said.p_purchase[place, -1]:.0%}."]
    if np.isfinite(top.without_recent[place]):
        lines[0] += f" Without the events of the last {RECENT_DAYS} days: {money.said(top.without_recent[place])}."
    if top.reasons:
        told_here = zip(top.reasons.sentences[place], top.reasons.factors[place], strict=True)
        lines += [f"× {factor:.2f}: {sentence}" for sentence, factor in told_here if sentence]
    return lines


def _importance(told: Explanation) -> Section | None:
    if told.importance is None:
        return None
    made, heading = told.importance, "What the score listens to"
    if not np.isfinite(made.gini):
        return Section(heading, [f"Nobody of {made.users:,} customers spent anything after {told.origin}."])
    lines = [
        f"Each part is dealt out anew among {made.users:,} customers at {told.origin}, all of it together, and the "
        f"normalised Gini of {told.name} ({number(made.gini)} on them) is measured again. Parts that say the same "
        "thing stand in for each other, so that each of them alone may look small."
    ]
    moving = {name: lost for name, lost in made.lost.items() if lost or made.spread[name]}
    silent = [name for name in made.lost if name not in moving]
    lines += [f"Nothing is lost without: {', '.join(silent)}."] if silent else []
    rows = [Row([name, f"{lost:+.4f}", f"{made.spread[name]:.4f}"]) for name, lost in moving.items()]
    picture = Picture(plots.bars(moving, unit="Gini lost", spread=made.spread), "Rank quality lost without a part")
    return Section(heading, lines, ("part", "Gini lost", "deviation"), rows, [picture])


def _boosted(boosted: Boosted | None, told: Explanation) -> list[Section]:
    if boosted is None:
        return []
    heading, lines = "Features, by the boosting model", _about_reasons(boosted)
    alone = told.alone if told.alone is not None and np.isfinite(told.alone.gini) else None
    if not boosted.trusted and alone is None:
        return [Section(heading, lines)]
    parts, order = boosted.parts, boosted.strongest
    used = int((parts.strength > 0).sum())
    lines.append(
        f"The {len(order)} of {used} features that move it most; {len(parts.names) - used} are not used at all."
    )
    columns: list[str] = ["feature", "meaning"]
    cells: list[Callable[[Contributions, int], list[str]]] = [_named]
    if boosted.trusted:
        columns, cells = [*columns, "moves the value by", "more of it means"], [*cells, _moves]
    if alone is not None:
        lines.append(
            f"Gini lost: by {told.name}, on {alone.users:,} customers at {told.origin}, when this feature alone is "
            "dealt out anew. A dash: it is made of the inputs of the classical model, which are told above."
        )
        columns, cells = [*columns, "Gini lost"], [*cells, partial(_lost, alone)]
    rows = [Row([cell for of in cells for cell in of(parts, i)]) for i in order]
    return [Section(heading, lines, columns, rows, _pictures(boosted, order) if boosted.trusted else [])]


def _named(parts: Contributions, i: int) -> list[str]:
    name = parts.names[i]
    return [name, _MEANING.get(name) or phrase_of(name, parts.horizon_days).open]


def _moves(parts: Contributions, i: int) -> list[str]:
    return [f"× {np.exp(parts.strength[i]):.2f}", _direction(parts.values[:, i], parts.added[:, i])]


def _lost(alone: Importance, parts: Contributions, i: int) -> list[str]:
    name = parts.names[i]
    return [f"{alone.lost[name]:+.4f} ± {alone.spread[name]:.4f}" if name in alone.lost else "-"]


def _about_reasons(boosted: Boosted | None) -> list[str]:
    if boosted is None:
        return []
    names = " and ".join(f"{name} ({weight:.2f})" for name, weight in boosted.members.items())
    whose = "members of the published model, by weight" if boosted.inside else "no member of the published model"
    agrees = f"They rank customers as the published score does with a correlation of {number(boosted.agreement, '.2f')}"
    lines = [f"Told by {names}: {whose}. {agrees} (Spearman)."]
    if not boosted.trusted:
        return [*lines, f"Below {LEAST_AGREEMENT} their reasons are not the score's, and are not shown."]
    days = boosted.parts.horizon_days
    return [*lines, f"Exact TreeSHAP of the logarithm of the value up to {days} days: factors multiply."]


def _direction(values: npt.NDArray[np.float64], added: npt.NDArray[np.float64]) -> str:
    if np.ptp(values) == 0 or np.ptp(added) == 0:
        return "-"
    turn = float(stats.spearmanr(values, added).statistic)
    return "higher" if turn > 0.5 else "lower" if turn < -0.5 else "it depends"


def _pictures(boosted: Boosted, order: npt.NDArray[np.int64]) -> list[Picture]:
    parts = boosted.parts
    some = np.random.default_rng(1).permutation(len(parts.added))[:_POINTS]
    level = {i: stats.rankdata(parts.values[some, i]) / len(some) for i in order[:_STRIPS]}
    points = {parts.names[i]: (parts.added[some, i], level[i]) for i in order[:_STRIPS]}
    bars = {parts.names[i]: float(parts.strength[i]) for i in order}
    return [
        Picture(plots.bars(bars, unit="mean size of what it adds to the logarithm"), "Features, by how much they move"),
        Picture(plots.strips(points, unit="added to the logarithm"), "A point a customer; colour: the feature's value"),
    ]


def _effects(told: Explanation, money: Money) -> Section | None:
    if not told.effects:
        return None
    lines = [
        "Events are taken out of the sequence that the network reads, as if they had not been noted; features and the "
        f"classical model stay. What {told.name} then says up to {told.horizons_days[-1]} days, against before:"
    ]
    rows = [
        Row([e.group, f"{e.customers:.0%}", f"{e.events:,}", f"{e.total:+.1%}", money.said(e.moved)])
        for e in told.effects
    ]
    columns = ("events taken away", "customers with any", "events", "change of the total", "mean change, either way")
    return Section("What the sequence of events is worth", lines, columns, rows)
