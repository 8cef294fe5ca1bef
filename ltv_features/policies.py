"""What a shop wishes for rows that are neither wrong nor right: blank values, and values above a limit of its own."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from ltv_features.strict import Section


class Cap(Section):
    """What to do with a value above a limit that the shop itself sets; money is in currency units.

    `cap`: the event stays with the limit in the value's place; `set_apart`: the row goes to quarantine; `delete`: it
    does so without its text. None of these counts as a bad row.
    """

    above: Annotated[float, Field(gt=0)]
    then: Literal["cap", "set_apart", "delete"]


class Caps(Section):
    """The limits of a source, by fact."""

    amount: Cap | None = None
    discount: Cap | None = None
    quantity: Cap | None = None
    dwell_seconds: Cap | None = None


class Fill(Section):
    """Constants in the place of blank values; an amount is in currency units and of the whole line."""

    amount: Annotated[float, Field(ge=0)] | None = None
    quantity: Annotated[int, Field(ge=0)] | None = None
    item: Annotated[str, Field(min_length=1)] | None = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    rating: Annotated[int, Field(ge=1, le=5)] | None = None
    dwell_seconds: Annotated[int, Field(ge=0)] | None = None


class Blank(Section):
    """What happens to a mapped value that is blank, where its event type has such a value.

    Without a word a blank amount or item is refused and everything else stays unsaid. `last_known`: what the customer's
    last earlier event of the source said; where none did, `fill` or `refuse` have the word.
    """

    last_known: list[Literal["quantity", "item", "currency", "rating", "dwell_seconds"]] = []
    refuse: list[Literal["order", "quantity", "rating", "dwell_seconds", "promotion"]] = []
    fill: Fill = Fill()

    def wrong(self) -> Iterator[str]:
        both = sorted({*self.refuse} & {*self.fill.model_dump(exclude_none=True)})
        if both:
            yield f"{', '.join(both)}: either refuse a blank value or fill it, not both"
