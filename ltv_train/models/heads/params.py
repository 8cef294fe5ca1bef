"""What a value head says, in bounds that loss and prediction share."""

from dataclasses import dataclass

from torch import Tensor

LEAST_SIGMA, MOST_SIGMA = 0.1, 2.0
MOST_LOGIT = 15.0
LEAST_LOG, MOST_LOG = -10.0, 12.0


@dataclass(frozen=True)
class Params:
    """Of every whole period [B, P]: log(1 - q), log q, log mean, and logs of what the period adds to the median and to
    the lower and upper quantile. None where a head does not speak of it:

    `location`, `sigma`: of log spend given a purchase. `active_log_survival` [B, P]: log(1 - chance of any activity).
    `named_log_mean`, `named_log_survival` [B, K]: the same for the next occurrence of each named period.
    """

    log_survival: Tensor
    log_chance: Tensor
    log_mean: Tensor
    log_median: Tensor
    log_low: Tensor
    log_high: Tensor
    location: Tensor | None = None
    sigma: Tensor | None = None
    active_log_survival: Tensor | None = None
    named_log_mean: Tensor | None = None
    named_log_survival: Tensor | None = None
