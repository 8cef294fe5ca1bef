"""Room: a made-up shop whose true expected spend is known; the test bed of every other room.

Reads: nothing; every row follows from the settings of the shop and the number of the shopper.
Writes: one small shop as files, through `delivery`; large ones are written by `ltv_features.synthetic_frames`.
May import: NumPy, Arrow, contract. No Spark, no settings of a run.
"""

from ltv_features.synthetic.catalogue import Catalogue
from ltv_features.synthetic.delivery import CUSTOMERS, ITEMS, LOG, Form, configuration, write_shop
from ltv_features.synthetic.dirt import DIRT, Account, Dirt, account_of
from ltv_features.synthetic.logs import LOG_SCHEMA, customers, log
from ltv_features.synthetic.orderlines import World, make_world
from ltv_features.synthetic.presets import PRESETS, Preset
from ltv_features.synthetic.seasons import Campaigns, Season
from ltv_features.synthetic.shop import Shop
from ltv_features.synthetic.shoppers import Shoppers
from ltv_features.synthetic.truth import expected_spend_minor

__all__ = [
    "CUSTOMERS",
    "DIRT",
    "ITEMS",
    "LOG",
    "LOG_SCHEMA",
    "PRESETS",
    "Account",
    "Campaigns",
    "Catalogue",
    "Dirt",
    "Form",
    "Preset",
    "Season",
    "Shop",
    "Shoppers",
    "World",
    "account_of",
    "configuration",
    "customers",
    "expected_spend_minor",
    "log",
    "make_world",
    "write_shop",
]
