"""What a search over the settings of a network tries."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, ValidationError

from ltv_features.strict import Section
from ltv_train.network_settings import MOST_EPOCHS, AboveZero, BatchSize, NetworkName, NetworkSettings, Positive, Share


class SearchSettings(Section):
    """A search over the settings of one network; what is not named here stays as the network says.

    `learning_rate` and `dropout` are tried between two bounds, the others from a list. `trials` come on top of the
    settings as they are. A trial gets at least `grace_epochs`; of those that got so far one of `reduction` goes on.
    """

    network: NetworkName = "lstm"
    trials: Positive = 12
    origins: Positive = 2
    learning_rate: Annotated[list[AboveZero], Field(min_length=2, max_length=2)] | None = None
    dropout: Annotated[list[Share], Field(min_length=2, max_length=2)] | None = None
    batch_size: list[BatchSize] = []
    hidden: list[Positive] = []
    layers: list[Positive] = []
    encoder: list[str] = []
    grace_epochs: Annotated[int, Field(ge=1, le=MOST_EPOCHS)] = 1
    reduction: Annotated[int, Field(ge=2)] = 3
    seed: Positive = 1

    @property
    def choices(self) -> dict[str, list[Any]]:
        """The settings that are tried from a list of values."""
        lists: dict[str, list[Any]] = {"batch_size": self.batch_size, "hidden": self.hidden}
        lists |= {"layers": self.layers, "encoder": self.encoder}
        return {name: list(values) for name, values in lists.items() if values}

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """The settings that are tried between two bounds."""
        bounds = {"learning_rate": self.learning_rate, "dropout": self.dropout}
        return {name: (between[0], between[1]) for name, between in bounds.items() if between}

    def wrong(self) -> Iterator[str]:
        falling = [name for name, (low, high) in self.ranges.items() if low >= high]
        if falling:
            yield f"{', '.join(falling)}: the first bound must be below the second"
        if not self.choices and not self.ranges:
            yield "nothing to try: name learning_rate, dropout, batch_size, hidden, layers or encoder"
        for name, value in ((name, value) for name, values in self.choices.items() for value in values):
            try:  # as if a person had written it
                NetworkSettings.model_validate({name: value})
            except ValidationError as error:
                yield f"{name}: {value!r}: {error.errors()[0]['msg']}"
