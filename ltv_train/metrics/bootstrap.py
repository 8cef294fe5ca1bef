"""How sure we are of a difference: paired bootstrap over users."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Measure = Callable[[Floats, Floats], float]


def paired_bootstrap(measure: Measure, truth: Floats, first: Floats, second: Floats, *, n: int, seed: int) -> Floats:
    """[n] values of measure(first) - measure(second), each on the same users drawn with replacement.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 16.
    """
    rng = np.random.default_rng(seed)
    made = np.empty(n)
    for number in range(n):
        drawn = rng.integers(0, len(truth), len(truth))
        made[number] = measure(truth[drawn], first[drawn]) - measure(truth[drawn], second[drawn])
    return made
