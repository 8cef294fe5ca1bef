"""How a shop delivers itself: three CSV sources, and the configuration with which `deploy/local/run.sh` reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ltv_features.synthetic.catalogue import Catalogue
from ltv_features.synthetic.dirt import (
    CORRUPT,
    JUDGED_BY_LANDING,
    KINDS,
    LATENESS_DAYS,
    NEED_AN_ID,
    PLANTED,
    Account,
    account_of,
    planted_counts,
    spoiled,
    with_bad_rows,
)
from ltv_features.synthetic.draws import Ints
from ltv_features.synthetic.logs import CUSTOMER_SCHEMA, LOG_SCHEMA, customers, log
from ltv_features.synthetic.shop import Shop

LOG, CUSTOMERS, ITEMS = "log", "customers", "items"
_NEEDED = ("customer", "time", "type")
_MAPPED = {
    "customer": "user",
    "time": "time",
    "event_id": "event_id",
    "type": "event_type",
    "order": "order",
    "item": "item",
    "quantity": "quantity",
    "amount": "amount",
    "currency": "currency",
    "rating": "rating",
    "dwell": "dwell_seconds",
    "campaign": "promotion",
}


@dataclass(frozen=True)
class Form:
    """How the log is written: `leave_out` columns the shop does not have, dates without times, shares of bad rows.

    `dirt`: kinds of `DIRT` and how often. Raises ValueError where a kind needs a column that is left out, or a needed
    column is.
    """

    dates_only: bool = False
    leave_out: tuple[str, ...] = ()
    dirt: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.dirt) - set(KINDS))
        impossible = [kind for kind in self.dirt if kind in KINDS and KINDS[kind].column in self.leave_out]
        impossible += sorted(NEED_AN_ID & set(self.dirt)) if "event_id" in self.leave_out else []
        missing = sorted(set(self.leave_out) & set(_NEEDED))
        if unknown or impossible or missing:
            raise ValueError(f"unknown dirt {unknown}; dirt of absent columns {impossible}; needed columns {missing}")

    @property
    def columns(self) -> list[str]:
        """The columns of the log."""
        return [name for name in LOG_SCHEMA.names if name not in self.leave_out]


def log_text(shop: Shop, form: Form, numbers: Ints | None = None) -> pa.Table:
    """The log as delivered: `form.columns` as text, bad rows among the good ones, and PLANTED, which says what is what.

    `numbers`: the shoppers (default: all); the rows of a shopper are the same in every company.
    """
    whole = with_bad_rows(log(shop, numbers), form.dirt, shop.draws)
    text = whole.set_column(whole.column_names.index("time"), "time", _clock(whole["time"], form.dates_only))
    text = pa.table({name: text[name].cast(pa.string()) for name in text.column_names})
    return spoiled(text).select([*form.columns, PLANTED])


def lines(table: pa.Table) -> pa.Array:
    """CSV lines of a table of text without its header; a corrupt row ends in the middle. Nothing here needs quotes."""
    names = [name for name in table.column_names if name != PLANTED]
    cells = [pc.fill_null(table[name], "") for name in names]
    whole = pc.binary_join_element_wise(*cells, ",")
    if PLANTED in table.column_names:
        cut = pc.binary_join_element_wise(*cells[:2], ",")
        whole = pc.if_else(pc.equal(table[PLANTED], CORRUPT), cut, whole)
    return whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole


def customers_text(shop: Shop, numbers: Ints | None = None) -> pa.Table:
    """The profiles as text."""
    table = customers(shop, numbers)
    since = _clock(table["since"], dates_only=False)
    text = table.set_column(table.column_names.index("since"), "since", since)
    return pa.table({name: text[name].cast(pa.string()) for name in CUSTOMER_SCHEMA.names})


def items_text(shop: Shop) -> pa.Table:
    """The items as text."""
    table = Catalogue.of(shop).table()
    return pa.table({name: table[name].cast(pa.string()) for name in table.column_names})


def _clock(times: pa.ChunkedArray, dates_only: bool) -> pa.ChunkedArray:
    local = times.cast(pa.timestamp("s", tz="UTC")).cast(pa.timestamp("s"))
    return local.cast(pa.date32() if dates_only else pa.timestamp("s")).cast(pa.string())


def configuration(shop: Shop, form: Form, horizons_days: Sequence[int] = (30, 90)) -> str:
    """TOML that maps the delivered columns; relative paths, so it belongs beside the folders of the sources.

    Rows from the future or too late are refused only where the form has some: else old rows, landed today, are history.
    """
    columns = [f'{_MAPPED[name]} = "{name}"' for name in form.columns if name in _MAPPED]
    columns += ['discounts = ["discount"]'] if "discount" in form.columns else []
    sections = [
        '[lake]\nroot = "lake"',
        f'[shop]\ncurrency = "{shop.currency}"\nhorizons_days = {list(horizons_days)}',
        _source(LOG),
        f"[sources.{LOG}.events]\nhistory = {str(not JUDGED_BY_LANDING & set(form.dirt)).lower()}",
        "\n".join([f"[sources.{LOG}.events.columns]", *columns]),
        _source(CUSTOMERS),
        f'[sources.{CUSTOMERS}.users]\nuser = "customer"\nvalid_from = "since"\n'
        'attributes = ["country", "channel", "club"]\nsensitive = ["birth_year"]\n'
        'objects_to_profiling = "no_profiling"',
    ]
    if "item" in form.columns:
        sections += [_source(ITEMS)]
        sections += [f'[sources.{ITEMS}.items]\nitem = "item"\ncategory = "category"\nbrand = "brand"\ntitle = "title"']
    sections += [f"[ingest]\nmax_bad_share = 1.0\nlateness_days = {LATENESS_DAYS}"] if form.dirt else []
    sections += [
        '[export]\nfolder = "export"\nsuppression = "suppression.csv"\nallow_empty_suppression = true',
    ]
    return "\n\n".join(sections) + "\n"


def _source(name: str) -> str:
    return f'[sources.{name}]\npath = "{name}"\nformat = "csv"'


def write_shop(folder: Path, shop: Shop, form: Form, horizons_days: Sequence[int] = (30, 90)) -> Account:
    """Writes the sources, an empty suppression list and `shop.toml` below `folder`; returns the account of the log."""
    events = log_text(shop, form)
    tables = {LOG: events, CUSTOMERS: customers_text(shop)}
    tables |= {ITEMS: items_text(shop)} if "item" in form.columns else {}
    for name, table in tables.items():
        header = ",".join(column for column in table.column_names if column != PLANTED)
        (folder / name).mkdir(parents=True)
        (folder / name / "all.csv").write_text("\n".join([header, *lines(table).to_pylist()]) + "\n", "utf-8")
    (folder / "suppression.csv").write_text("user_id\n", "utf-8")
    (folder / "shop.toml").write_text(configuration(shop, form, horizons_days), "utf-8")
    return account_of(planted_counts(events))
