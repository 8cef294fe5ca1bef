"""The worlds that must work without hand tuning (recipes.md section 4), each a value; another size is `resized`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

from ltv_features.synthetic.delivery import Form, configuration, write_shop
from ltv_features.synthetic.dirt import Account
from ltv_features.synthetic.seasons import Campaigns, Season
from ltv_features.synthetic.shop import Shop

HISTORY_DAYS = 365
HORIZONS_DAYS = (30, 90)
USUAL = Shop(
    users=2_000, days=HISTORY_DAYS + HORIZONS_DAYS[-1], start=date(2024, 1, 1), refund_share=0.05,
    season=Season(yearly_swing=0.2, weekend=1.2), campaigns=Campaigns(every_days=45), anonymous_visits=1.0,
)  # fmt: skip
"""A shop with everything: what the worlds below change one thing about."""


@dataclass(frozen=True)
class Preset:
    """A shop, how it delivers, and the night to look at; its log goes on for the longest horizon after that."""

    name: str
    meaning: str
    shop: Shop = USUAL
    form: Form = field(default_factory=Form)
    as_of_day: int = HISTORY_DAYS
    horizons_days: tuple[int, ...] = HORIZONS_DAYS

    @property
    def as_of(self) -> date:
        """The night to look at."""
        return self.shop.start + timedelta(days=self.as_of_day)

    @property
    def configuration(self) -> str:
        """The TOML with which `deploy/local/run.sh --config` reads this world."""
        return configuration(self.shop, self.form, self.horizons_days)

    def resized(self, users: int, seed: int = 1) -> "Preset":
        """The same world with so many shoppers, of another seed."""
        return replace(self, shop=replace(self.shop, users=users, seed=seed))

    def write(self, folder: Path) -> Account:
        """Writes it; see `delivery.write_shop`."""
        return write_shop(folder, self.shop, self.form, self.horizons_days)


_COHORT = replace(USUAL, days=180, early_share=1.0, early_days=14.0, first_order_share=1.0)
_WORLDS = (
    Preset("usual", "nothing strange; what the other worlds change one thing about"),
    Preset("one_cohort", "all join in two weeks; the history is as long as the horizon", _COHORT, as_of_day=90),
    Preset("one_time", "70 % buy once and never again", replace(USUAL, one_time_share=0.7)),
    Preset("wholesale", "two of a hundred spend 100 times as much", replace(USUAL, wholesale_share=0.02)),
    Preset(
        "high_season",
        "the label window is a season of 1.6 that the history never saw",
        replace(USUAL, season=Season(windows=((HISTORY_DAYS, HISTORY_DAYS + HORIZONS_DAYS[-1], 1.6),))),
    ),
    Preset("thousandfold", "all amounts are 1000 times as high", replace(USUAL, money_factor=1000)),
    Preset("dates_only", "dates without times", form=Form(dates_only=True)),
    Preset("no_orders", "no order ids: an order is what somebody buys at one time", form=Form(leave_out=("order",))),
    Preset("no_items", "no items", form=Form(leave_out=("item",))),
    Preset("anonymous", "a quarter of the rows without a customer", replace(USUAL, guest_share=0.24)),
)
PRESETS: Mapping[str, Preset] = {preset.name: preset for preset in _WORLDS}
