"""The classical anchor: BG/NBD for how often, Gamma-Gamma for how much.

Sources: Fader, Hardie, Lee, "Counting Your Customers the Easy Way" (Marketing Science 2005), equations 6, 10 and 12;
Fader and Hardie, "The Gamma-Gamma Model of Monetary Value" (2013). The first order counts in the spend model.
Inputs are the contract's ANCHOR_INPUTS [N, 5]; time in days; money in minor units. May import: NumPy, SciPy.
"""

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from ltv_features.contract import ANCHOR_INPUTS

Floats = npt.NDArray[np.float64]
_ORDERS, _REPEAT, _LAST, _AGE, _MEAN = range(len(ANCHOR_INPUTS))
_MAX_LOG = 7.0
_NODES, _NODE_WEIGHTS = (
    (part + shift) / 2 for part, shift in zip(np.polynomial.legendre.leggauss(32), (1, 0), strict=True)
)
_MAX_FIT_USERS = 20_000
_ROWS = 4096
"""Customers whose quadrature is worked out together: few enough to stay in the cache."""
_PULL = 1e-4
"""Weight of a weak pull of the log parameters towards 0, times N: keeps a flat likelihood from wandering."""


@dataclass(frozen=True)
class AnchorParameters:
    """Fitted parameters: `kind` is bgnbd, or rate (Gamma-Poisson) where BG/NBD did not fit.

    `frequency` is (r, alpha, a, b) with alpha in days, of a rate (shape, days); `spend` is (p, q, gamma) with gamma in
    units of `money_minor`, or empty where too few orders repeat: then everybody's value is the mean.
    """

    kind: Literal["bgnbd", "rate"]
    frequency: tuple[float, ...]
    spend: tuple[float, ...]
    mean_order_minor: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        return asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> "AnchorParameters":
        """The parameters that `to_dict` wrote."""
        return AnchorParameters(
            values["kind"], tuple(values["frequency"]), tuple(values["spend"]), float(values["mean_order_minor"])
        )

    def expected_orders(self, inputs: Floats, days: Floats | float) -> Floats:
        """[N] orders expected in the next `days` (a number or [N]); 0 for who never ordered, never falling in days."""
        known, x, t_x, age = _columns(inputs)
        if self.kind == "rate":
            shape, scale = self.frequency
            return np.asarray(np.where(known, (shape + x) / (scale + age) * days, 0.0))
        return np.asarray(np.where(known, _bgnbd_orders(self.frequency, x, t_x, age, np.asarray(days)), 0.0))

    def p_alive(self, inputs: Floats) -> Floats:
        """[N] probability of still being a customer; 0 for who never ordered."""
        known, x, t_x, age = _columns(inputs)
        if self.kind == "rate":
            return known.astype(np.float64)
        return np.where(known, _p_alive(self.frequency, x, t_x, age), 0.0)

    def expected_order_value(self, inputs: Floats) -> Floats:
        """[N] minor units that the next order is expected to be worth."""
        if not self.spend:
            return np.full(len(inputs), self.mean_order_minor)
        p, q, gamma = self.spend
        n, mean = inputs[:, _ORDERS], inputs[:, _MEAN] / self.mean_order_minor
        value = p * (gamma + n * mean) / (p * n + q - 1)
        return np.asarray(value * self.mean_order_minor)

    def expected_value(self, inputs: Floats, days: Floats | float) -> Floats:
        """[N] minor units expected in the next `days`."""
        return self.expected_orders(inputs, days) * self.expected_order_value(inputs)


def fit_anchor(inputs: Floats) -> AnchorParameters:
    """Maximum likelihood over users with an order, at most 20,000 of them (an even stride).

    Falls back to a shrunk rate when the search for BG/NBD, held inside |log parameter| <= 7, fails in its first steps.
    """
    buyers = inputs[inputs[:, _ORDERS] > 0]
    buyers = buyers[:: max(1, -(-len(buyers) // _MAX_FIT_USERS))]
    if not len(buyers):
        return AnchorParameters("rate", (1.0, 365.0), (), 0.0)
    spent = float(buyers[:, _MEAN] @ buyers[:, _ORDERS])
    mean = max(spent / float(buyers[:, _ORDERS].sum()), 1e-9)
    frequency = _fit_bgnbd(buyers)
    if frequency is not None:
        return AnchorParameters("bgnbd", frequency, _fit_spend(buyers, mean), mean)
    return AnchorParameters("rate", _fit_rate(buyers), _fit_spend(buyers, mean), mean)


def _columns(inputs: Floats) -> tuple[npt.NDArray[np.bool_], Floats, Floats, Floats]:
    return inputs[:, _ORDERS] > 0, inputs[:, _REPEAT], inputs[:, _LAST], inputs[:, _AGE]


def _fit_bgnbd(buyers: Floats) -> tuple[float, ...] | None:
    x, t_x, age = buyers[:, _REPEAT], buyers[:, _LAST], buyers[:, _AGE]
    unit = max(float(age.max()), 1.0) / 10.0  # keeps alpha near 1 whatever the span

    def loss(logs: Floats) -> float:
        r, alpha, a, b = np.exp(logs)
        start = special.gammaln(r + x) - special.gammaln(r) + r * np.log(alpha)
        beta = special.betaln(a, b + x) - special.betaln(a, b)
        alive = beta - (r + x) * np.log(alpha + age / unit)
        repeat = np.maximum(x, 1.0)
        gone = special.betaln(a + 1, b + repeat - 1) - special.betaln(a, b) - (r + x) * np.log(alpha + t_x / unit)
        likelihood = start + np.where(x > 0, np.logaddexp(alive, gone), alive)
        return float(-likelihood.mean() + _PULL * np.square(logs).sum())

    found = optimize.minimize(
        loss, np.zeros(4), method="L-BFGS-B", bounds=[(-_MAX_LOG, _MAX_LOG)] * 4, options={"maxiter": 200}
    )
    if not np.isfinite(found.fun) or not (found.success or found.nit > 5):
        return None
    r, alpha, a, b = np.exp(found.x)
    return float(r), float(alpha * unit), float(a), float(b)


def _fit_rate(buyers: Floats) -> tuple[float, ...]:
    """Gamma-Poisson by moments: (shape, days) with the mean rate shape / days and a month's worth of prior."""
    rate = buyers[:, _REPEAT].sum() / max(buyers[:, _AGE].sum(), 1.0)
    return float(max(rate * 30.0, 1e-6)), 30.0


def _fit_spend(buyers: Floats, mean_minor: float) -> tuple[float, ...]:
    n, mean = buyers[:, _ORDERS], buyers[:, _MEAN] / mean_minor
    paid = mean > 0
    if (n[paid] > 1).sum() < 10:
        return ()
    n, mean = n[paid], mean[paid]

    def loss(logs: Floats) -> float:
        p, q, gamma = np.exp(logs)
        likelihood = (
            -special.betaln(p * n, q)
            + q * np.log(gamma)
            + (p * n - 1) * np.log(mean)
            + p * n * np.log(n)
            - (p * n + q) * np.log(gamma + n * mean)
        )
        return float(-likelihood.mean() + _PULL * np.square(logs).sum())

    found = optimize.minimize(
        loss,
        np.array([1.0, 1.0, 0.5]),
        method="L-BFGS-B",
        bounds=[(-_MAX_LOG, _MAX_LOG), (0.05, _MAX_LOG), (-_MAX_LOG, _MAX_LOG)],
        options={"maxiter": 200},
    )
    return tuple(float(value) for value in np.exp(found.x)) if np.isfinite(found.fun) else ()


def _bgnbd_orders(frequency: tuple[float, ...], x: Floats, t_x: Floats, age: Floats, days: Floats) -> Floats:
    """Conditional expectation of orders in (age, age + days], equation 10, as an expectation over the drop-out p.

    The closed form divides by a - 1 and needs 2F1 where it overflows. The posterior of a living customer is
    Gamma(r + x, alpha + age) for the rate and Beta(a, b + x) for p; for one p the rate integrates over the days to
    (1 - (1 + p z)^-(r + x)) / p with z = days / (alpha + age), which rises with the days for every p. The expectation
    is Gauss-Legendre quadrature over the quantiles of p, which are the same for all customers with as many orders.
    """
    r, alpha, a, b = frequency
    repeats, row = np.unique(x, return_inverse=True)
    quantiles = np.array([_quantiles(a, b + float(repeat)) for repeat in repeats]).reshape(-1, len(_NODES))
    z = np.broadcast_to(days, x.shape) / (alpha + age)
    total = np.zeros(len(x))
    for start in range(0, len(x), _ROWS):
        rows = slice(start, start + _ROWS)
        p = quantiles.T[:, row[rows]]
        total[rows] = (_NODE_WEIGHTS[:, None] * -np.expm1(-(r + x[rows]) * np.log1p(p * z[rows])) / p).sum(axis=0)
    return _p_alive(frequency, x, t_x, age) * total


@lru_cache(maxsize=4096)
def _quantiles(a: float, b: float) -> Floats:
    """[nodes] of a Beta(a, b); dear, and the same for all customers with as many orders in every batch."""
    return np.asarray(np.maximum(special.betaincinv(a, b, _NODES), 1e-12))


def _p_alive(frequency: tuple[float, ...], x: Floats, t_x: Floats, age: Floats) -> Floats:
    """Equation 12; a customer without a repeated order has had no chance to drop out."""
    r, alpha, a, b = frequency
    log_odds = (r + x) * np.log((alpha + age) / (alpha + t_x)) + np.log(a / (b + np.maximum(x, 1) - 1))
    return np.asarray(np.where(x > 0, special.expit(-log_odds), 1.0))
