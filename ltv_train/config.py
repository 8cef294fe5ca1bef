"""The settings of training, scoring, recommending and export: one frozen pydantic model a section."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ltv_features.strict import LocalFolder, Place, Section

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class NetworkSettings(Section):
    """One network candidate: encoder, sizes and how long it trains; None means: from the number of examples."""

    encoder: Literal["lstm", "gru", "rnn", "mlp"] = "lstm"
    hidden: Positive | None = None
    layers: Positive = 1
    dropout: Share = 0.1
    residual_on_anchor: bool = True
    batch_size: Positive = 512
    steps: Positive | None = None
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    clip_norm: Annotated[float, Field(gt=0)] = 1.0
    patience_epochs: Positive = 3
    seeds_in_folds: Positive = 1
    seeds_in_refit: Positive = 2


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
    address: str = "local"


class TrainSettings(Section):
    """What `train` fits on every origin."""

    lstm: NetworkSettings = NetworkSettings()
    boosting: BoostingSettings = BoostingSettings()
    ray: RaySettings = RaySettings()
    min_vocabulary_count: Positive = 5
    max_vocabulary: Positive = 20_000
    seed: Positive = 1


class GateSettings(Section):
    """When a candidate may replace production (recipes: gate)."""

    max_gini_loss: Annotated[float, Field(ge=0)] = 0.005
    max_mae_loss: Share = 0.02
    bootstrap: Positive = 1000
    min_refit_spearman: Share = 0.95
    max_refit_total_shift: Share = 0.10


class ScoreSettings(Section):
    """How users are scored and cut into tiers."""

    high_share: Share = 0.2
    low_share: Share = 0.4

    @model_validator(mode="after")
    def _apart(self) -> "ScoreSettings":
        if self.high_share + self.low_share > 1:
            raise ValueError(f"high_share {self.high_share} and low_share {self.low_share} are more than 1 together")
        return self


class RecommendSettings(Section):
    """The recommender: two-tower network and what it is blended with."""

    top_k: Positive = 20
    dimension: Positive = 64
    temperature: Annotated[float, Field(gt=0)] = 0.1
    epochs: Positive = 4
    batch_size: Positive = 512
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
    score: ScoreSettings = ScoreSettings()
    recommend: RecommendSettings = RecommendSettings()
    export: ExportSettings
