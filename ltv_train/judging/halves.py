"""Users halved by key, so that nobody is judged by what their own outcome chose. May import: NumPy."""

import numpy as np
import numpy.typing as npt


def half_of(user_key: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """[N] 0 or 1 by user, from the top bit of the key times an odd constant (multiplicative hashing)."""
    mixed = user_key.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return (mixed >> np.uint64(63)).astype(np.int64)
