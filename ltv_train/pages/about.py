"""The data card and the model card as sections."""

from ltv_train.cards import DataCard, ModelCard
from ltv_train.judging.decided import EVENTS, Event, threshold_to_use
from ltv_train.pages.story import Story
from ltv_train.report import Row, Section

_COLUMNS = ("", "what")


def data_card(story: Story) -> list[Section]:
    """What training saw."""
    if story.data is None:
        return []
    rows = [Row([name, text]) for name, text in _data(story.data).items()]
    notes = ["Nothing that happened on or after the night, and nobody who refused profiling, is in the examples."]
    return [Section("Data card", [], _COLUMNS, rows, notes=notes)]


def model_card(story: Story) -> list[Section]:
    """What serves, what it is for, and what not."""
    if story.model is None:
        return []
    rows = [Row([name, text]) for name, text in _model(story.model, story).items()]
    return [Section("Model card", [], _COLUMNS, rows)]


def _data(card: DataCard) -> dict[str, str]:
    told = {}
    if card.log is not None:
        log = card.log
        told["log"] = f"{log.first_day} to {log.last_day}"
        told["events"] = f"{sum(log.events.values()):,}: " + ", ".join(
            f"{n:,} {kind}" for kind, n in log.events.items()
        )
        told["users"] = f"{log.users:,} known before the night, {log.buyers:,} of them with an order"
    told["cut-offs"] = f"{len(card.cutoffs)}, from {card.cutoffs[0]} to {card.cutoffs[-1]}" if card.cutoffs else "none"
    told["past origins"] = ", ".join(card.origins) or "none has matured"
    told["examples"] = ", ".join(f"{count:,} {split}" for split, count in card.examples.items())
    told["features"] = f"{card.features} aggregates, and the sequence of orders and browse events"
    told["table versions"] = ", ".join(f"{name} {version}" for name, version in card.table_versions.items())
    told["input digest"] = card.input_digest
    return told


def _model(card: ModelCard, story: Story) -> dict[str, str]:
    told = {"model": f"{card.name} ({card.kind}), grade {story.backtest.verdict.grade}"}
    if card.members:
        told["members"] = ", ".join(f"{name} {weight:.2f}" for name, weight in card.members.items())
    days = " and ".join(str(days) for days in story.backtest.horizons_days)
    told |= {
        "says": f"for every customer, {days} days ahead: mean and median spend, P(purchase), P(churn)",
        "trained on": f"this shop's log before {story.as_of}, see the data card; refitted on everything mature",
        "made for": "ranking and grouping customers, planning spend by group, choosing whom to win back or to keep",
        "not made for": "decisions on credit, prices, employment or anything with legal effect on one person; the "
        "exact spend of one customer (see the residuals); causes: only a control group tells who buys for a campaign",
        "weak where": "histories are short, a season lies in the window that no past window shows, or the shop changes",
    }
    told |= {f"yes to {event} from": _thresholds(story, event) for event in EVENTS if story.backtest.folds}
    told |= {"bundle": card.digest, "training run": card.run_name, "example settings": card.config_digest}
    return told


def _thresholds(story: Story, event: Event) -> str:
    """The best thresholds over all past origins, to be used from now on."""
    days = story.backtest.horizons_days
    told = [
        f"{threshold_to_use(story.backtest.folds, story.name, h, event):.3f} ({days[h]} days)" for h in range(len(days))
    ]
    return ", ".join(told) + ": largest F1 of the rarer outcome, over all past origins"
