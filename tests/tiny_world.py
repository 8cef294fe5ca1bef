"""A tiny shop on disk with its configuration, small enough to take the whole path in a test."""

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv

from jobs._entry import Settings
from ltv_features.contract import EVENT_TYPES
from ltv_features.strict import load
from ltv_features.synthetic import World, make_world

START = date(2025, 1, 1)
AS_OF = START + timedelta(days=150)

CONFIG = """
[lake]
root = "lake"

[spark]
shuffle_partitions = 2

[shop]
currency = "EUR"
horizons_days = [14, 28]
{further}
[sources.orders]
path = "orders/*.csv"
format = "csv"

[sources.orders.events]
event_type = "purchase"
history = true
[sources.orders.events.columns]
user = "customer"
time = "time"
order = "order"
item = "item"
quantity = "quantity"
unit_price = "price"

[sources.views]
path = "views/*.csv"
format = "csv"

[sources.views.events]
event_type = "view"
history = true
[sources.views.events.columns]
user = "customer"
time = "time"
item = "item"

[examples]
every_days = 14
min_exposure_days = 14
min_buyers = 20
folds = 2
fold_step_days = 14
ranker_cutoff_days = [14, 28]

[train]
min_vocabulary_count = 2
[train.ray]
workers = 0
[train.networks.lstm]
steps = 12
hidden = 8
batch_size = 64
seeds_in_refit = 1
[train.boosting]
trees = 20
seeds = 1
min_child = 5

[gate]
bootstrap = 50
min_refit_spearman = 0.0
max_refit_total_shift = 1.0

[recommend]
dimension = 8
epochs = 1
batch_size = 32
negatives = 16
top_k = 5

[export]
folder = "export"
suppression = "suppression.csv"
"""


UNKNOWN = ('order = "order"', 'item = "item"')
"""Lines of the configuration that a shop without order ids and items does not have."""

FOUR_HORIZONS = (7, 14, 21, 28)

FAIRS = (AS_OF - timedelta(days=30), AS_OF + timedelta(days=10))
FURTHER = f"""churn = "no_activity"

[shop.named_periods.fair]
on = ["{FAIRS[0]}", "{FAIRS[1]}"]
days = 7
"""
"""A customer is lost who does nothing at all; and there is a fair, once in the past and once ahead."""

ANYTHING = """
[sources.tracking]
path = "tracking/*.csv"
format = "csv"
[sources.tracking.events]
history = true
event_types = {types}
[sources.tracking.events.columns]
user = "customer"
time = "time"
event_type = "kind"
order = "order"
item = "item"
amount = "paid"
rating = "stars"
dwell_seconds = "seconds"
promotion = "campaign"

[sources.people]
path = "people/*.csv"
format = "csv"
[sources.people.users]
user = "customer"
valid_from = "since"
attributes = ["town"]
"""
"""Two more sources: one with events of every type, one with profiles that have dates."""


def write_future(config: Path) -> int:
    """Adds sources whose every row lies at or after AS_OF: each type of event by three customers, and profiles.

    Returns how many events that are.
    """
    lines, people = [], []
    for who in ("c00001", "c00002", "c_new"):
        for place, kind in enumerate(EVENT_TYPES):
            at = f"{AS_OF + timedelta(days=place // 4)} {place % 4:02}:00:00.000000Z"
            paid = kind in ("purchase", "refund")
            facts = {"purchase": "o_future", "refund": "o_future"}.get(kind, "")
            stars, campaign = "5" if kind == "review" else "", "spring" if kind.startswith("promotion") else ""
            lines.append(f"{who},{at},{kind},{facts},i00001,{'999.00' if paid else ''},{stars},9,{campaign}\n")
        people += [f"{who},{AS_OF},Ulm\n", f"{who},{AS_OF + timedelta(days=3)},Bonn\n"]
    for name, header, rows in (
        ("tracking", "customer,time,kind,order,item,paid,stars,seconds,campaign", lines),
        ("people", "customer,since,town", people),
    ):
        (config.parent / name).mkdir()
        (config.parent / name / "future.csv").write_text(f"{header}\n{''.join(rows)}")
    types = "{" + ", ".join(f'{kind} = "{kind}"' for kind in EVENT_TYPES) + "}"
    config.write_text(config.read_text() + ANYTHING.format(types=types))
    return len(lines)


def write_plain_shop(folder: Path, *, users: int = 150, seed: int = 5) -> Path:
    """A shop that knows who bought on which day and for how much: no item, no order id, no time of day.

    It looks ahead over four periods.
    """
    world: World = make_world(users=users, days=150, seed=seed, start=START)
    for name, table, columns in (
        ("orders", world.orders, ("customer", "quantity", "price")),
        ("views", world.views, ("customer",)),
    ):
        (folder / name).mkdir(parents=True)
        days = pc.utf8_slice_codeunits(pc.cast(table["time"], pa.string()), 0, len("2025-01-01"))
        pcsv.write_csv(table.select(columns).append_column("time", days), folder / name / "first.csv")
    (folder / "suppression.csv").write_text("user_id\nc00003\n")
    known = [line for line in CONFIG.format(further="").splitlines() if line not in UNKNOWN]
    known[known.index("horizons_days = [14, 28]")] = f"horizons_days = {list(FOUR_HORIZONS)}"
    (folder / "shop.toml").write_text("\n".join(known))
    return folder / "shop.toml"


def write_shop(folder: Path, *, users: int = 150, seed: int = 5, planted: str = "") -> Path:
    """Writes CSV files, a suppression list with one customer, and the configuration; returns the latter's path.

    The shop calls lost who does nothing at all, and names a fair.

    `planted` is CSV text of further order lines, delivered as a file of its own.
    """
    world: World = make_world(users=users, days=150, seed=seed, start=START)
    for name, table in (("orders", world.orders), ("views", world.views)):
        (folder / name).mkdir(parents=True)
        pcsv.write_csv(table, folder / name / "first.csv")
    if planted:
        header = ",".join(world.orders.column_names)
        (folder / "orders" / "planted.csv").write_text(f"{header}\n{planted}")
    (folder / "suppression.csv").write_text("user_id\nc00003\n")
    (folder / "shop.toml").write_text(CONFIG.format(further=FURTHER))
    return folder / "shop.toml"


def settings_of(config: Path) -> Settings:
    """The settings, as a job would load them."""
    return load(config, Settings)
