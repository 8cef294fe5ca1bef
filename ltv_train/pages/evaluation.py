"""The page about a back-test: a list of section builders, in the order of the page."""

from collections.abc import Callable, Sequence

from ltv_train.cards import DataCard, ModelCard
from ltv_train.judging.backtest import Backtest
from ltv_train.money import Money
from ltv_train.pages import about, decisions, fitting, intervals, segments, spend, verdict
from ltv_train.pages.story import Story
from ltv_train.report import Section, page

Builder = Callable[[Story], list[Section]]

RESULTS: tuple[Builder, ...] = (
    verdict.verdict,
    verdict.standings,
    spend.spend,
    intervals.intervals,
    decisions.purchase_and_churn,
    segments.by_segment,
)
"""How good it is. The explanation follows, then how it came about."""
MAKING: tuple[Builder, ...] = (
    verdict.gate,
    fitting.blend,
    spend.every_measure,
    fitting.search,
    fitting.learning,
    fitting.feeding,
    about.data_card,
    about.model_card,
)


def evaluation_page(
    backtest: Backtest,
    *,
    as_of: str,
    money: Money,
    chosen: str | None,
    why: Sequence[Section] = (),
    data: DataCard | None = None,
    model: ModelCard | None = None,
) -> str:
    """The page as HTML; `why` are sections that explain the score, `chosen` is promoted (None: production stays)."""
    story = Story(backtest, as_of, money, chosen, data, model)
    grade = backtest.verdict.grade
    lead = f"{chosen} may serve from {as_of} on (grade {grade})." if chosen else "Production stays as it is."
    results, making = ([section for build in builders for section in build(story)] for builders in (RESULTS, MAKING))
    return page(
        f"Back-test as of {as_of}", lead, [*results, *why, *making], f"Training run {backtest.run['run_name']}."
    )
