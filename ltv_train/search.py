"""What a search over the settings of a network tried, and whether what it found is adopted: pure functions, no Ray.

On a log of a few thousand customers the best of a dozen trials is mostly luck. So below `MANY_EXAMPLES` a setting is
adopted only where it beats the settings as they were at each of several past origins, which with two is the same as
being better by more than one standard error. Half a million examples are those of some 50,000 customers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ltv_train.config import NetworkSettings

MANY_EXAMPLES = 500_000


@dataclass(frozen=True)
class Trial:
    """One trial: the settings it `changed`, its lowest validation loss at each origin, and the epochs it was given.

    Loss terms are weighed by what they are at the start, where every network says about the same, so losses of
    different shapes compare.
    """

    changed: Mapping[str, Any]
    losses: tuple[float, ...]
    epochs: int

    @property
    def loss(self) -> float:
        """The mean over the origins."""
        return sum(self.losses) / len(self.losses)


@dataclass(frozen=True)
class Found:
    """All trials, the settings as they were first; `adopted` is the place of the one that counts from here on."""

    trials: tuple[Trial, ...]
    adopted: int
    reason: str

    @property
    def changed(self) -> dict[str, Any]:
        """The settings that the adopted trial changed; nothing where the settings stay as they were."""
        return dict(self.trials[self.adopted].changed)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        trials = [asdict(trial) | {"losses": list(trial.losses), "loss": trial.loss} for trial in self.trials]
        return {"trials": trials, "adopted": self.adopted, "reason": self.reason}


def judged(trials: Sequence[Trial], examples: int) -> Found:
    """The trials with the one that is adopted; `trials[0]` are the settings as they were, `examples` of one origin.

    >>> usual, luck = Trial({}, (1.0, 1.0), 3), Trial({"hidden": 32}, (0.8, 1.1), 3)
    >>> judged([usual, luck], 10_000).changed, judged([usual, luck], 1_000_000).changed
    ({}, {'hidden': 32})
    """
    usual, best = trials[0], min(range(len(trials)), key=lambda place: (trials[place].loss, place))
    gains = [before - after for before, after in zip(usual.losses, trials[best].losses, strict=True)]
    told = ", ".join(f"{gain:+.4f}" for gain in gains)
    if best == 0:
        return Found(tuple(trials), 0, f"none of {len(trials) - 1} others had a lower validation loss")
    if examples < MANY_EXAMPLES and len(gains) == 1:
        return Found(tuple(trials), 0, f"one past origin ({told}) tells no gain from luck: the settings stay")
    if examples < MANY_EXAMPLES and min(gains) <= 0:
        reason = f"the best of {len(trials) - 1} others is better at some origins only ({told}): the settings stay"
        return Found(tuple(trials), 0, reason)
    return Found(tuple(trials), best, f"lower validation loss by {told} at {len(gains)} past origin(s)")


def with_changes(settings: NetworkSettings, changed: Mapping[str, Any]) -> NetworkSettings:
    """The settings with what a trial changed, checked like any that a person wrote."""
    return NetworkSettings.model_validate(settings.model_dump() | dict(changed))
