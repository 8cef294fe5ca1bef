"""How wide a network is, how long it trains and how its batch is shared: pure functions of settings and examples."""

from ltv_features.contract import BLOCK_EXAMPLES
from ltv_train.config import NetworkSettings
from ltv_train.models.aligned import aligned
from ltv_train.network_settings import MOST_EPOCHS

SMALL_LOG_EXAMPLES = 200_000
SMALL_WIDTH, LARGE_WIDTH = 64, 128
PASSES = 3
"""Measured on folds of a grocery panel: from the fourth pass on the probability of purchase overfits."""
LEAST_STEPS = 250


def widths_for(settings: NetworkSettings, examples: int) -> list[int]:
    """The width of each layer of the encoder: as configured, else 64 below 200,000 examples and 128 from there on.

    >>> widths_for(NetworkSettings(layers=[128, 50]), 10), widths_for(NetworkSettings(layers=2), 200_000)
    ([128, 50], [128, 128])
    """
    if isinstance(settings.layers, list):
        return settings.layers
    return [settings.hidden or (SMALL_WIDTH if examples < SMALL_LOG_EXAMPLES else LARGE_WIDTH)] * settings.layers


def width_for(settings: NetworkSettings, examples: int) -> int:
    """The width D of what an encoder says: that of its last layer up to the next multiple of 16.

    >>> width_for(NetworkSettings(layers=[128, 50]), 10)
    64
    """
    return aligned(widths_for(settings, examples)[-1])


def steps_for(settings: NetworkSettings, steps_per_epoch: int) -> int:
    """Configured steps, else 3 passes over the examples but no fewer than 250 steps, in whole epochs, at most 30.

    >>> steps_for(NetworkSettings(), 98), steps_for(NetworkSettings(), 1)
    (294, 30)
    >>> steps_for(NetworkSettings(), 3907), steps_for(NetworkSettings(steps=5), 98)
    (11721, 5)
    """
    if settings.steps:
        return whole_epochs(settings.steps, steps_per_epoch)
    wanted = whole_epochs(max(LEAST_STEPS, PASSES * steps_per_epoch), steps_per_epoch)
    return min(wanted, MOST_EPOCHS * steps_per_epoch)


def whole_epochs(steps: int, steps_per_epoch: int) -> int:
    """`steps` rounded to whole epochs, so that each example is read equally often; below one epoch as it is."""
    return steps if steps <= steps_per_epoch else round(steps / steps_per_epoch) * steps_per_epoch


def rank_batch(batch_size: int, world: int) -> int:
    """Examples a rank and step: an equal share of the batch, rounded down to what fits blocks.

    One rank takes the batch as it is configured. Where the share of several is no divisor or multiple of a block, a
    step is smaller than configured: 512 among 3 ranks are 170 each, of which 128 are taken, so a step has 384.

    >>> rank_batch(512, 2), rank_batch(512, 3), rank_batch(64, 4)
    (256, 128, 16)
    """
    share = max(1, batch_size // world)
    if share >= BLOCK_EXAMPLES:
        return share // BLOCK_EXAMPLES * BLOCK_EXAMPLES
    return 1 << (share.bit_length() - 1)
