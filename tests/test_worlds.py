"""How a world is judged: by what chance alone cannot explain, against the best of three."""

import numpy as np
import pytest

from ltv_features.synthetic import PRESETS
from tests.benchmarks import worlds
from tests.benchmarks.worlds import OPPONENTS, PUBLISHED, Judgement

USERS = 600


def judgement(noise: dict[str, float]) -> Judgement:
    """Candidates that see what was expected through noise of different strength."""
    chance = np.random.default_rng(1)
    expected = np.exp(chance.normal(size=USERS))
    spend = expected * chance.gamma(1.0, 1.0, USERS)
    said = {name: expected * np.exp(size * chance.normal(size=USERS)) for name, size in noise.items()}
    return Judgement(
        mean=said, median={name: 0.7 * values for name, values in said.items()}, spend=spend, truth=expected
    )


@pytest.mark.parametrize("judged", [worlds._gini, worlds._error])
def test_a_published_score_misses_only_where_it_is_surely_worse_than_the_best(judged) -> None:
    preset = PRESETS["one_cohort"]
    good = judged("W1", preset, judgement({PUBLISHED: 0.1, **dict.fromkeys(OPPONENTS, 0.8)}))
    alike = judged("W1", preset, judgement({PUBLISHED: 0.30, **dict.fromkeys(OPPONENTS, 0.31)}))
    bad = judged("W1", preset, judgement({PUBLISHED: 1.5, OPPONENTS[0]: 0.1, **dict.fromkeys(OPPONENTS[1:], 1.5)}))
    assert [good.meets_must, alike.meets_must, bad.meets_must] == [True, True, False]
    assert OPPONENTS[0] in bad.what
