"""How much each member of a blend counts, as values that lie in its bundle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class BlendWeights:
    """Weights by member, each set adding up to 1: `mean` also weighs probabilities; `how` says how they were found."""

    names: tuple[str, ...]
    mean: tuple[float, ...]
    median: tuple[float, ...]
    scale_minor: float
    how: str

    @property
    def used(self) -> "BlendWeights":
        """The same weights without members that count for nothing."""
        kept = [i for i in range(len(self.names)) if self.mean[i] > 0 or self.median[i] > 0]
        return BlendWeights(
            names=tuple(self.names[i] for i in kept),
            mean=tuple(self.mean[i] for i in kept),
            median=tuple(self.median[i] for i in kept),
            scale_minor=self.scale_minor,
            how=self.how,
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        return {
            "members": list(self.names),
            "mean_weights": list(self.mean),
            "median_weights": list(self.median),
            "scale_minor": self.scale_minor,
            "how": self.how,
        }

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "BlendWeights":
        """The weights that `to_dict` wrote."""
        mean, median = tuple(values["mean_weights"]), tuple(values["median_weights"])
        return BlendWeights(tuple(values["members"]), mean, median, float(values["scale_minor"]), str(values["how"]))


def equal_weights(names: Sequence[str], scale_minor: float, how: str) -> BlendWeights:
    """Every member counts the same; none where there is none."""
    each = (1.0 / max(1, len(names)),) * len(names)
    return BlendWeights(tuple(names), each, each, scale_minor, how)
