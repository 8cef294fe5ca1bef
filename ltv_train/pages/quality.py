"""The page of a night's deliveries: what each source brought, what was refused and why, and the nights before.

Room: rows of `quality` in, words and pictures out. May import: report, plots.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from ltv_train import plots
from ltv_train.report import Picture, Row, Section, page

_COUNTS = ("source", "rows in", "usual", "kept", "duplicates", "refused", "anonymous")
_SHARES = ("source", "validity", "uniqueness", "newest event", "days before the night")
OUTCOMES = ("kept", "duplicates", "quarantined", "anonymous")


def quality_page(rows: Sequence[Mapping[str, Any]], *, as_of: date) -> str:
    """`rows`: of `quality`, the night's and those of nights before, oldest first."""
    tonight = [row for row in rows if row["as_of"] == as_of]
    problems = [problem for row in tonight for problem in row["problems"]]
    refused = sum(row["quarantined"] for row in tonight)
    lead = f"{sum(row['rows_in'] for row in tonight):,} rows came in, {refused:,} were refused."
    sections = [
        Section("Worth a look", problems or ["Nothing stands out."]),
        Section("Sources", [], _COUNTS, [_counts(row) for row in tonight]),
        Section("How good and how new", [], _SHARES, [_shares(row) for row in tonight]),
        _told("Refused, by first reason", "refused", "reason", tonight),
        _told("Kept, with a note", "noted", "note", tonight),
        _complete(tonight),
        *(_history(source, rows) for source in dict.fromkeys(map(_name, tonight))),
    ]
    return page(f"Data quality of {as_of}", lead, [s for s in sections if s], "Written by ingest_events.")


def _name(row: Mapping[str, Any]) -> str:
    return row["source"] if row["kind"] == "events" else f"{row['source']}: {row['kind']}"


def _counts(row: Mapping[str, Any]) -> Row:
    usual = f"{row['usual_rows']:,.0f}" if row["usual_rows"] is not None else "-"
    counts = [f"{row[name]:,}" for name in OUTCOMES]
    return Row([_name(row), f"{row['rows_in']:,}", usual, *counts], bool(row["problems"]))


def _shares(row: Mapping[str, Any]) -> Row:
    newest = f"{row['newest_ts']:%Y-%m-%d %H:%M}" if row["newest_ts"] else "-"
    age = f"{row['age_days']:.1f}" if row["age_days"] is not None else "-"
    return Row([_name(row), f"{row['validity']:.2%}", f"{row['uniqueness']:.2%}", newest, age], bool(row["problems"]))


def _told(heading: str, column: str, word: str, rows: Sequence[Mapping[str, Any]]) -> Section | None:
    told = [(_name(row), name, count) for row in rows for name, count in row[column].items() if count]
    told.sort(key=lambda each: (each[0], -each[2], each[1]))
    found = [Row([source, name, f"{count:,}"]) for source, name, count in told]
    return Section(heading, [], ("source", word, "rows"), found) if found else None


def _complete(rows: Sequence[Mapping[str, Any]]) -> Section | None:
    facts = sorted({fact for row in rows for fact in row["completeness"]})
    if not facts:
        return None
    told = [
        Row([_name(row), *(_share(row["completeness"].get(fact)) for fact in facts)])
        for row in rows
        if row["completeness"]
    ]
    lines = ["Of kept events whose type has such a fact, the share that says it."]
    return Section("Completeness", lines, ("source", *facts), told)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _history(source: str, rows: Sequence[Mapping[str, Any]]) -> Section:
    mine = [row for row in rows if _name(row) == source]
    counts = {name: [row[name] for row in mine] for name in OUTCOMES}
    nights = [f"{row['as_of']:%m-%d}" for row in mine]
    shares = {name: [row[name] for row in mine] for name in ("validity", "uniqueness")}
    figures = [
        Picture(plots.stacked_by_night(nights, counts, unit="rows"), "Rows by where they ended"),
        Picture(plots.shares_by_night(nights, shares), "Share of rows that are valid, and of those that are new"),
    ]
    return Section(f"{source}, night by night", figures=figures)
