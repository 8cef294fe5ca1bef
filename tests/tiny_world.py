"""A tiny shop on disk with its configuration, small enough to take the whole path in a test."""

from datetime import date, timedelta
from pathlib import Path

import pyarrow.csv as pcsv

from jobs._entry import Settings
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


def write_shop(folder: Path, *, users: int = 150, seed: int = 5, planted: str = "") -> Path:
    """Writes CSV files, a suppression list with one customer, and the configuration; returns the latter's path.

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
    (folder / "shop.toml").write_text(CONFIG)
    return folder / "shop.toml"


def settings_of(config: Path) -> Settings:
    """The settings, as a job would load them."""
    return load(config, Settings)
