"""The settings of one network: what `[train.networks.NAME]` may say, and the presets it may start from."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, model_validator

from ltv_features.contract import BLOCK_EXAMPLES
from ltv_features.strict import Section, folder_of
from ltv_train.presets import read_preset


def fits_blocks(size: int) -> int:
    """`size` itself where batches of so many examples can be cut from the blocks of a shard. Raises ValueError.

    >>> fits_blocks(32), fits_blocks(192)
    (32, 192)
    >>> fits_blocks(200)
    Traceback (most recent call last):
    ValueError: a batch is a part of a block of 64 examples or several blocks: the nearest are 192 and 256
    """
    if size % BLOCK_EXAMPLES == 0 or BLOCK_EXAMPLES % size == 0:
        return size
    below = size // BLOCK_EXAMPLES * BLOCK_EXAMPLES or 1 << (size.bit_length() - 1)
    above = below + min(below, BLOCK_EXAMPLES)
    raise ValueError(
        f"a batch is a part of a block of {BLOCK_EXAMPLES} examples or several blocks: the nearest are {below} and "
        f"{above}"
    )


MOST_EPOCHS = 30
Positive = Annotated[int, Field(ge=1)]
BatchSize = Annotated[Positive, AfterValidator(fits_blocks)]
Share = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0)]
AboveZero = Annotated[float, Field(gt=0)]
NetworkName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]

_RECURRENT = ("rnn", "gru", "lstm", "cnn_lstm")
_BELONGS_TO: dict[str, tuple[str, tuple[str, ...]]] = {
    "filters": ("encoder", ("cnn_lstm",)),
    "kernel": ("encoder", ("cnn", "cnn_lstm")),
    "heads": ("encoder", ("transformer",)),
    "batch_norm": ("encoder", (*_RECURRENT, "cnn")),
    "momentum": ("optimiser", ("sgd",)),
    "weight_decay": ("optimiser", ("adamw",)),
    "decay": ("schedule", ("step", "exponential")),
    "decay_steps": ("schedule", ("step", "exponential")),
}
"""Settings that would change nothing under another choice, and are refused there."""


class NetworkSettings(Section):
    """One network candidate: encoder, head, sizes and how long it trains; None means: from the number of examples.

    `preset` names a shape (see presets.py) whose values count where this section does not say otherwise. What is
    resolved decides what a run is, so the name itself is left out of what is dumped and digested.

    `head`: what is learned of value; all but ziln are there for comparison.
    `layers`: how many there are, each `hidden` wide, or the width of each. `embedding`: the width of a token's vector;
    without it that of the first layer (an mlp then looks at no token). `filters`: of the convolution of a cnn_lstm.
    `batch_size`: examples of a step, over all ranks (see sizes.rank_batch); a divisor or a multiple of 64.
    `weight_decay` shrinks weights beside the gradient (AdamW); `l1` and `l2` add l1 x sum|w| + l2 x sum w^2 over weight
    matrices to the loss. `decay_steps`: steps in which the rate falls by the factor `decay`, a third of all without it.
    `precision`: of the matrix products in training; "auto" is bfloat16 on a GPU that has it, float32 elsewhere.
    """

    preset: Annotated[str | None, Field(exclude=True)] = None
    encoder: Literal["mlp", "rnn", "gru", "lstm", "cnn", "cnn_lstm", "transformer"] = "lstm"
    head: Literal["ziln", "mse", "mae", "huber", "tweedie"] = "ziln"
    hidden: Positive | None = None
    layers: Positive | Annotated[list[Positive], Field(min_length=1)] = 1
    embedding: Positive | None = None
    filters: Positive = 64
    kernel: Positive = 3
    heads: Literal[1, 2, 4, 8, 16] = 4
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    batch_norm: bool = False
    residual_on_anchor: bool = True
    batch_size: BatchSize = 512
    steps: Positive | None = None
    optimiser: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: AboveZero = 2e-3
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: NotNegative = 1e-2
    l1: NotNegative = 0.0
    l2: NotNegative = 0.0
    clip_norm: AboveZero = 1.0
    schedule: Literal["cosine", "step", "exponential", "constant"] = "cosine"
    warm_up_share: Share = 0.05
    decay: Annotated[float, Field(gt=0, le=1)] = 0.1
    decay_steps: Positive | None = None
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    patience_epochs: Positive = 3
    seeds_in_folds: Positive = 1
    seeds_in_refit: Positive = 2

    @model_validator(mode="before")
    @classmethod
    def _over_its_preset(cls, said: Any, info: ValidationInfo) -> Any:
        if not isinstance(said, dict) or not isinstance(said.get("preset"), str):
            return said
        preset = read_preset(said["preset"], folder_of(info), [key for key in cls.model_fields if key != "preset"])
        try:
            cls.model_validate(preset)
        except ValidationError as error:
            wrong = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
            raise ValueError(f"preset {said['preset']!r}: {'; '.join(wrong)}") from error
        return preset | said

    def wrong(self) -> Iterator[str]:
        fields = type(self).model_fields
        for key, (choice, needed) in _BELONGS_TO.items():
            chosen = getattr(self, choice)
            if chosen not in needed and getattr(self, key) != fields[key].default:
                yield f"{key} is for {choice} {' or '.join(needed)}, not for {chosen}"
        if isinstance(self.layers, list) and self.hidden is not None:
            yield f"layers {self.layers} says how wide each layer is; hidden = {self.hidden} is too much"
        if self.encoder == "transformer" and (isinstance(self.layers, list) or (self.hidden or 0) % 16):
            yield "a transformer has layers of one width: layers is their number, hidden a multiple of 16"
