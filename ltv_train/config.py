"""The settings of training, scoring, recommending and export: one frozen pydantic model a section."""

from collections.abc import Iterator, Mapping
from itertools import islice, product
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from ltv_features.strict import LocalFolder, Place, Section, nearest
from ltv_train.network_settings import BatchSize, NetworkName, NetworkSettings, Positive, Share
from ltv_train.search_settings import SearchSettings

__all__ = ["NetworkSettings", "TrainConfig"]

BOOSTERS = ("boosting_g", "boosting_e")
"""The two gradient boosters: candidates of every training, and members of its blend."""
BLEND = "blend"
RESERVED = (
    *("all_zero", "mean", "spend_rate", "linear_rfm", "linear_orders", "rfm_cells", "anchor"),
    *(*BOOSTERS, BLEND),
)
"""Names of other candidates, which no network may take; neither may names that begin with `last_`."""


_MOST_TRIED, _MOST_SAID = 5_000, 5


class BoostingSettings(Section):
    """The two boosters G and E (recipes: Tweedie on the anchor's offset, and on exposure alone)."""

    trees: Positive = 250
    learning_rate: Annotated[float, Field(gt=0)] = 0.02
    leaves: Annotated[int, Field(ge=2)] = 15
    min_child: Positive = 50
    tweedie_power: Annotated[float, Field(gt=1, lt=2)] = 1.3
    seeds: Positive = 3


class RaySettings(Section):
    """How Ray Train runs: workers, devices, patience with failures."""

    workers: Annotated[int, Field(ge=0)] = 2
    use_gpu: bool = False
    max_failures: Annotated[int, Field(ge=0)] = 2
    timeout_seconds: Positive = 120
    loader_timeout_seconds: Positive = 120
    address: str = "local"


class TrainSettings(Section):
    """What `train` fits on every origin. Naming any network replaces the default one; no network at all is allowed."""

    networks: dict[NetworkName, NetworkSettings] = {"lstm": NetworkSettings()}
    search: SearchSettings | None = None
    boosting: BoostingSettings = BoostingSettings()
    ray: RaySettings = RaySettings()
    min_vocabulary_count: Positive = 5
    max_vocabulary: Annotated[int, Field(ge=1, le=5_000_000)] = 20_000
    impute: Literal["mean", "median"] = "mean"
    outliers: Literal["clip", "none"] = "clip"
    warm_start: bool = False
    seed: Positive = 1

    def wrong(self) -> Iterator[str]:
        taken = [name for name in self.networks if name in RESERVED or name.startswith("last_")]
        if taken:
            yield f"networks: {', '.join(taken)} is the name of another candidate; next: choose another"
        if self.search is None:
            return
        if self.search.network not in self.networks:
            near = nearest(self.search.network, self.networks)
            yield f"search.network: there is no network {self.search.network!r}{near}"
            return
        own, choices = self.networks[self.search.network].model_dump(), self.search.choices
        alone = [{name: value} for name, values in choices.items() for value in values]
        together = (dict(zip(choices, values, strict=True)) for values in product(*choices.values()))
        for tried in (alone, islice(together, _MOST_TRIED)):
            wrong = [f"search.{said}" for each in tried for said in _untried(own, each)]
            yield from wrong[:_MOST_SAID]
            if wrong:
                return


def _untried(own: Mapping[str, Any], changed: Mapping[str, Any]) -> Iterator[str]:
    """Why a network of `own` settings cannot be tried with others; nothing where it can."""
    try:
        NetworkSettings.model_validate({**own, **changed})
    except ValidationError as error:
        said = " with ".join(f"{name}: {value!r}" for name, value in changed.items())
        yield f"{said} cannot be tried: {error.errors()[0]['msg']}"


class GateSettings(Section):
    """When a candidate may replace production (recipes: gate)."""

    max_gini_loss: Annotated[float, Field(ge=0)] = 0.005
    max_mae_loss: Share = 0.02
    bootstrap: Positive = 1000
    min_refit_spearman: Share = 0.95
    max_refit_total_shift: Share = 0.10


class ExplainSettings(Section):
    """How the published score is explained: `customers` are asked about, each part is shuffled `shuffles` times."""

    customers: Positive = 500
    shuffles: Positive = 3
    top_customers: Annotated[int, Field(ge=0)] = 10


class TrackingSettings(Section):
    """Where evaluations are noted for people to look at (MLflow): a server, an SQLite file, "" for one below the lake.

    A user and a password for a server come from the environment, as MLFLOW_TRACKING_USERNAME and _PASSWORD. An
    experiment without a name is called after the lake. Patience: with one request, and with all of them.
    """

    enabled: bool = True
    uri: Annotated[str, Field(pattern=r"^$|^https?://[^@/]+(/[^@]*)?$|^sqlite:////.+\.db$")] = ""
    experiment: str = ""
    request_seconds: Positive = 5
    total_seconds: Positive = 60


class ScoreSettings(Section):
    """How users are scored and cut into tiers."""

    high_share: Share = 0.2
    low_share: Share = 0.4

    def wrong(self) -> Iterator[str]:
        if self.high_share + self.low_share > 1:
            yield f"high_share {self.high_share} and low_share {self.low_share} are more than 1 together"


class RecommendSettings(Section):
    """The recommender: two-tower network and what it is blended with."""

    top_k: Positive = 20
    dimension: Positive = 64
    temperature: Annotated[float, Field(gt=0)] = 0.1
    epochs: Positive = 4
    batch_size: BatchSize = 512
    negatives: Positive = 4096
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    seed: Positive = 1


class ExportSettings(Section):
    """Where the CRM export goes and who must not be in it."""

    destination: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] = "crm"
    folder: LocalFolder
    suppression: Place
    allow_empty_suppression: bool = False
    top_items: Annotated[int, Field(ge=0)] = 5


class TrainConfig(Section):
    """The sections that this package owns."""

    train: TrainSettings = TrainSettings()
    gate: GateSettings = GateSettings()
    explain: ExplainSettings = ExplainSettings()
    tracking: TrackingSettings = TrackingSettings()
    score: ScoreSettings = ScoreSettings()
    recommend: RecommendSettings = RecommendSettings()
    export: ExportSettings
