"""W1 to W9: the worlds that must work without tuning, each run end to end from its mapping, and judged afterwards.

A world is delivered as files, `deploy/local/run.sh` makes its night, and `monitor` looks at it once the longest horizon
has passed. Compared are the customers of whom every candidate spoke, on what happened and on what was truly expected.
The ratio is the published score's by the best of anchor and boosters; the bound allows for what chance alone explains:
below it the published score is significantly worse (one-sided 95 %, paired bootstrap over customers).
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ltv_features.config import SparkSettings
from ltv_features.session import open_session
from ltv_features.synthetic import PRESETS, Preset, Shoppers, expected_spend_minor
from ltv_features.synthetic.names import names
from ltv_features.tables import Lake
from ltv_train.judging.evaluation import Fold
from ltv_train.judging.paired import Differences, differences
from ltv_train.metrics.value import mae, normalised_gini, spearman
from ltv_train.predictions import Predictions
from ltv_train.score.outcomes import PUBLISHED
from tests.benchmarks.compare import Result

Floats = npt.NDArray[np.float64]
ROOT = Path(__file__).resolve().parents[2]
OPPONENTS = ("anchor", "boosting_g", "boosting_e")
USERS = 2_000
_DRAWS = 1_000
_SURELY = 0.95
_MINOR = 100


@dataclass(frozen=True)
class Judgement:
    """One world after its horizon, [N] each: mean and median by candidate, what happened, what was expected."""

    mean: Mapping[str, Floats]
    median: Mapping[str, Floats]
    spend: Floats
    truth: Floats

    def against(self, opponent: str) -> Differences:
        """The published score against an opponent; above 0 is better."""
        spend = self.spend[:, None]
        unsaid = np.full_like(spend, np.nan)
        said = {
            name: Predictions(self.mean[name][:, None], self.median[name][:, None], unsaid, unsaid)
            for name in (PUBLISHED, opponent)
        }
        fold = Fold("judged", np.arange(len(spend)), spend, unsaid, said)
        return differences([fold], PUBLISHED, opponent, draws=_DRAWS, seed=1)


def judged(name: str, number: int, *, users: int = USERS, seed: int = 1) -> list[Result]:
    """The two primaries of one world, Gini of the mean and absolute error of the median, longest horizon."""
    preset = PRESETS[name].resized(users, seed)
    with tempfile.TemporaryDirectory(prefix=f"ltv-w{number}-") as place:
        folder = Path(place)
        preset.write(folder)
        run_night(folder, preset.as_of)
        found = read(folder, preset)
    return [_gini(f"W{number}", preset, found), _error(f"W{number}", preset, found)]


def run_night(folder: Path, as_of: date) -> None:
    """The night by `run.sh`, then `monitor` a horizon later. Raises CalledProcessError with what they said."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "PYSPARK", "SPARK_", "LTV_"))}
    night = ["bash", str(ROOT / "deploy/local/run.sh"), "--config", str(folder / "shop.toml"), "--as-of", str(as_of)]
    later = as_of + timedelta(days=PRESETS["usual"].horizons_days[-1])
    monitor = [sys.executable, "-m", "jobs", "monitor", "--config", str(folder / "shop.toml"), "--as-of", str(later)]
    for command, environment in ((night, kept), (monitor, dict(os.environ))):
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stdout[-4000:], done.stderr[-4000:], sep="\n", file=sys.stderr)
            done.check_returncode()


def read(folder: Path, preset: Preset) -> Judgement:
    """What the lake of a judged night holds about the customers of whom every candidate spoke."""
    horizon = preset.horizons_days[-1]
    spark = open_session(SparkSettings(), "worlds")
    try:
        rows = Lake(spark, f"{folder}/lake").read("outcomes").where(f"horizon_days = {horizon}").toPandas()
    finally:
        spark.stop()
    wide = {column: rows.pivot(index="user_id", columns="candidate", values=column) for column in ("pltv", "pltv_p50")}
    common = wide["pltv"].dropna().index
    spend = rows[rows["candidate"] == PUBLISHED].set_index("user_id")["spend"].loc[common]
    truth = _true_spend(preset, horizon)
    return Judgement(
        mean={str(name): column.loc[common].to_numpy() for name, column in wide["pltv"].items()},
        median={str(name): column.loc[common].to_numpy() for name, column in wide["pltv_p50"].items()},
        spend=spend.to_numpy(),
        truth=np.array([truth[user] for user in common]),
    )


def _true_spend(preset: Preset, horizon: int) -> dict[str, float]:
    """Expected net spend in currency units by customer."""
    shop = preset.shop
    expected = expected_spend_minor(shop, Shoppers.of(shop, shop.numbers), preset.as_of_day, horizon, net=True)
    return dict(zip(names("c", shop.numbers).to_pylist(), (expected / _MINOR).tolist(), strict=True))


def _gini(id_: str, preset: Preset, found: Judgement) -> Result:
    scores = {name: normalised_gini(found.spend, found.mean[name]) for name in (PUBLISHED, *OPPONENTS)}
    best = max(OPPONENTS, key=lambda name: scores[name])
    drawn = found.against(best)
    noise = drawn.gini - float(np.nanquantile(drawn.gini_draws, 1 - _SURELY))
    told = ", ".join(f"{name} {score:.4f}" for name, score in scores.items())
    true = ", ".join(f"{name} {spearman(found.truth, found.mean[name]):.3f}" for name in (PUBLISHED, *OPPONENTS))
    what = f"{preset.name} ({preset.meaning}): Gini of the published mean by that of {best}"
    detail = f"{len(found.spend):,} customers; {told}; rank correlation with the true expectation: {true}"
    return Result(id_, what, scores[PUBLISHED] / scores[best], 1 - noise / scores[best], 1.0, False, detail)


def _error(id_: str, preset: Preset, found: Judgement) -> Result:
    scores = {name: mae(found.spend, found.median[name]) for name in (PUBLISHED, *OPPONENTS)}
    best = min(OPPONENTS, key=lambda name: scores[name])
    drawn = found.against(best)
    noise = drawn.mae - float(np.nanquantile(drawn.mae_draws, 1 - _SURELY))
    total = {name: float(values.sum() / found.truth.sum()) for name, values in found.mean.items() if name in scores}
    told = ", ".join(f"{name} {score:,.2f}" for name, score in scores.items())
    sums = ", ".join(f"{name} {share:.2f}" for name, share in total.items())
    what = f"{preset.name}: absolute error of the published median by that of {best}"
    detail = f"error in {preset.shop.currency}: {told}; total of the means by the true total: {sums}"
    return Result(id_, what, scores[PUBLISHED] / scores[best], 1 + noise, 1.0, True, detail)


WORLDS = tuple(name for name in PRESETS if name != "usual")
ALL: Mapping[str, Callable[[], list[Result]]] = {
    f"W{number}": partial(judged, name, number) for number, name in enumerate(WORLDS, start=1)
}
