"""Room: what is said about a user from the summary of an encoder: heads by name, each owner of its mathematics.
Reads: summaries, the anchor's log, labels.
Writes: nothing.
May import: Torch and the contract and the losses.
"""

from ltv_train.models.heads.amount import HuberHead, MaeHead, MseHead, TweedieHead
from ltv_train.models.heads.base import ValueHead
from ltv_train.models.heads.params import LEAST_SIGMA, MOST_SIGMA, Params
from ltv_train.models.heads.ziln import ZilnHead

HEADS: dict[str, type[ValueHead]] = {
    "ziln": ZilnHead,
    "mse": MseHead,
    "mae": MaeHead,
    "huber": HuberHead,
    "tweedie": TweedieHead,
}
"""Every head by name. A new one joins, and is tested, by being listed here."""

__all__ = ["HEADS", "LEAST_SIGMA", "MOST_SIGMA", "Params", "ValueHead", "ZilnHead"]
