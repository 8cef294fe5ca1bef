"""The fit of a value network: a shard set, settings, and what was fitted on its training rows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from ltv_features.contract import NUMERIC_FIELDS
from ltv_features.encode import Encoding
from ltv_train import data, models
from ltv_train.batch import Batch
from ltv_train.classical.anchors import Anchors
from ltv_train.config import NetworkSettings
from ltv_train.inputs import Inputs
from ltv_train.models import Shape, ValueNetwork
from ltv_train.named import NO_PERIODS, Named
from ltv_train.sizes import width_for, widths_for
from ltv_train.warm_start import Start, begin


@dataclass(frozen=True)
class NetworkFit:
    """One fit: the folder of a shard set, settings, what was fitted on its training rows, a seed.

    `epochs`: how many (or which share of one) to take, as frozen by earlier fits, whose last weights are the result;
    None: from the settings or the number of examples, ended early by validation loss, and the best weights on it are
    the result. `epochs_of` names earlier fits of the same run whose median choice is taken instead. `start`: weights to
    begin with; None: at random.
    `named`: the periods of the calendar that it speaks of.
    """

    name: str
    shards: str
    settings: NetworkSettings
    encoding: Encoding
    anchors: Anchors
    seed: int
    epochs: float | None = None
    epochs_of: tuple[str, ...] = ()
    steps_share: float = 1.0
    start: Start | None = None
    everybody: bool = False
    named: Named = NO_PERIODS

    def sizes(self, manifest: data.Manifest) -> Shape:
        """Sizes of the network; its width follows the number of examples where the settings do not say."""
        settings, examples = self.settings, manifest.examples("train")
        return Shape(
            vocabulary=self.encoding.vocabulary_sizes,
            numeric=len(NUMERIC_FIELDS),
            aggregates=len(manifest.aggregates),
            periods=len(manifest.periods_days),
            width=width_for(settings, examples),
            layers=widths_for(settings, examples),
            dropout=settings.dropout,
            embedding=settings.embedding,
            batch_norm=settings.batch_norm,
            filters=settings.filters,
            kernel=settings.kernel,
            heads=settings.heads,
            activity=manifest.by_activity,
            named=len(self.named.names),
        )

    def shape(self, manifest: data.Manifest) -> dict[str, Any]:
        """Sizes as JSON-able values."""
        return self.sizes(manifest).to_dict()

    def network(self, manifest: data.Manifest) -> ValueNetwork:
        """The network before its first step: from the seed alone, or with the weights of an earlier one on top."""
        settings = self.settings
        made = models.build(
            settings.encoder,
            self.sizes(manifest),
            residual=settings.residual_on_anchor,
            seed=self.seed,
            head=settings.head,
        )
        if self.start is not None:
            begin(made, self.start, self.encoding)
        return made

    def batch(self, columns: Mapping[str, Any], manifest: data.Manifest) -> Batch:
        """One step's columns, encoded; no rows become one row of weight 0."""
        return Inputs(self.encoding, self.anchors, manifest.periods_days, self.named).batch(columns, at_origin=False)

    def frozen(self, epochs: float) -> Self:
        """The same fit for a given number of epochs, learning from everybody."""
        return replace(self, epochs=epochs, everybody=True)
