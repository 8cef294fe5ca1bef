r"""What each shopper will truly spend, in closed form.

A shopper n who has joined and is still there at day d spends at the rate `rate x 2 lines x line_minor x f(t)`, where
f(t) is the season's factor of the day, times `1 + extra` while a campaign that n was sent is in force. Time to drop-out
is exponential with mean L, so he is there at t with chance exp(-(t - d) / L). Gross, over a horizon h:

    v_n * integral of f_n(t) exp(-(t - d) / L) dt over [d, d + h)

Of campaigns sent before d it is known who got them; later ones reach everybody with chance `reach`. A line goes back
with chance q_n after an exponential delay of mean T, and a refund counts when it happens (decisions.md 10). So from
gross goes, for net:

    q_n v_n * integral of f_n(t) exp(-(t - d) / L) (1 - exp(-(d + h - t) / T)) dt over [d, d + h)      bought later
    q_n v_n * integral of f_n(t) (exp(-(d - t) / T) - exp(-(d + h - t) / T)) dt over the time before d  bought before

the latter from joining to d, or to drop-out for those who left, and likewise for the certain order at sign-up. What was
truly bought before d is not looked at. Those who have not joined by d, and guests, expect nothing.
"""

import numpy as np

from ltv_features.synthetic.draws import Floats
from ltv_features.synthetic.shop import Shop
from ltv_features.synthetic.shoppers import MEAN_LINES, Shoppers, mean_lifetime_days


def expected_spend_minor(
    shop: Shop, shoppers: Shoppers, day: float, horizon_days: float, *, net: bool = False
) -> Floats:
    """True expected spend [N] in [day, day + horizon), in minor units; `net`: less what goes back in that time."""
    known = (shoppers.joined_day < day) & ~shoppers.guest
    value = shoppers.rate * MEAN_LINES * shoppers.line_minor
    alive = known & (shoppers.drop_out_day > day)
    spend = np.where(alive, value * _coming(shop, shoppers, day, horizon_days), 0.0)
    if not net:
        return spend
    later = np.where(alive, value * _coming(shop, shoppers, day, horizon_days, returned=True), 0.0)
    before = value * _pending(shop, shoppers, day, horizon_days)
    before += np.where(shoppers.first_order, MEAN_LINES * shoppers.line_minor, 0.0) * _fading(
        shop, shoppers.joined_day, day, horizon_days
    )
    back: Floats = shoppers.refund_chance * (later + np.where(known, before, 0.0))
    return spend - back


def _coming(shop: Shop, shoppers: Shoppers, day: float, horizon_days: float, *, returned: bool = False) -> Floats:
    """Days [N] of usual buying to come; `returned`: weighted with the chance that a refund comes in time, too."""
    end = day + horizon_days
    starts = shop.campaigns.starts(end)
    received = shoppers.received(shop, day)
    later = np.full((len(shoppers.number), len(starts) - received.shape[1]), shop.campaigns.reach)
    sent = np.concatenate([received.astype(np.float64), later], axis=1)
    days = _window(shop, day, end, day, end, returned)
    for number, start in enumerate(starts):
        in_force = _window(shop, max(start, day), min(start + shop.campaigns.length_days, end), day, end, returned)
        days = days + sent[:, number] * shop.campaigns.extra_spend * in_force
    return np.broadcast_to(days, shoppers.number.shape)


def _window(shop: Shop, first: float, last: float, day: float, end: float, returned: bool) -> Floats:
    """The integral of season x survival since `day` (x chance of a refund by `end`) over [first, last)."""
    if last <= first:
        return np.zeros(1)
    leaving, back = 1 / mean_lifetime_days(shop), 1 / shop.refund_delay_days
    edges = np.clip(np.arange(np.floor(first), np.ceil(last) + 1), first, last)
    season = shop.season.factors(shop.start, int(np.floor(first)), int(np.ceil(last)))
    whole = season @ _exponential(edges[:-1], edges[1:], -leaving, day)
    if not returned:
        return np.array([whole])
    in_time = season @ _exponential(edges[:-1], edges[1:], back - leaving, end)
    return np.array([whole - in_time * np.exp(-leaving * (end - day))])


def _pending(shop: Shop, shoppers: Shoppers, day: float, horizon_days: float) -> Floats:
    """Days [N] of usual buying before `day`, each weighted with the chance that its refund falls into the horizon."""
    last = np.minimum(shoppers.drop_out_day, day)
    first = np.minimum(shoppers.joined_day, last)
    weighted = _so_far(shop, last, day) - _so_far(shop, first, day)
    received = shoppers.received(shop, day)
    for number, start in enumerate(shop.campaigns.starts(day)):
        in_force = [np.clip(edge, start, start + shop.campaigns.length_days) for edge in (first, last)]
        rise = _so_far(shop, in_force[1], day) - _so_far(shop, in_force[0], day)
        weighted = weighted + received[:, number] * shop.campaigns.extra_spend * rise
    expected: Floats = weighted * -np.expm1(-horizon_days / shop.refund_delay_days)
    return expected


def _fading(shop: Shop, moment: Floats, day: float, horizon_days: float) -> Floats:
    """The chance [N] that a refund of something bought at `moment`, before `day`, falls into the horizon."""
    since = np.maximum(day - moment, 0.0) / shop.refund_delay_days
    chance: Floats = np.exp(-since) * -np.expm1(-horizon_days / shop.refund_delay_days)
    return chance


def _so_far(shop: Shop, until: Floats, day: float) -> Floats:
    """The integral [N] of season x exp(-(day - t) / delay) from the start of the shop to `until`."""
    back = 1 / shop.refund_delay_days
    days = np.arange(int(np.ceil(day)) + 1, dtype=np.float64)
    season = shop.season.factors(shop.start, 0, len(days))
    whole = np.concatenate([[0.0], np.cumsum(season[:-1] * _exponential(days[:-1], days[1:], back, day))])
    place = np.clip(until.astype(np.int64), 0, len(days) - 1)
    return whole[place] + season[place] * _exponential(days[place], np.maximum(until, days[place]), back, day)


def _exponential(first: Floats, last: Floats, rate: float, at: float) -> Floats:
    """The integral of exp(rate x (t - at)) over each [first, last)."""
    length = last - first
    grown = length if rate == 0 else np.expm1(rate * length) / rate
    return np.exp(rate * (first - at)) * grown
