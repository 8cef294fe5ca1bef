"""A digest of code changes with what the code computes, and with nothing else."""

import sys
import zipfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobs import build_examples, build_features
from ltv_features import digest, examples, increment
from ltv_features.digest import DECIDE_NOTHING, code_of, modules_of, source_of
from ltv_features.increment import Inputs
from ltv_train import recommender_training, training
from ltv_train.config import ScoreSettings, TrainSettings
from ltv_train.predict import KINDS
from ltv_train.score import recommend, users

PURCHASES = "ltv_features.aggregates.purchases"
NIGHT = date(2026, 1, 1)


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch):
    """Gives a digest as if a module had another source."""

    def digest_with(module: str, source: str, *names: str) -> str:
        with monkeypatch.context() as patch:
            patch.setattr(digest, "source_of", lambda name: source if name == module else source_of(name))
            return code_of.__wrapped__(*names)

    return digest_with


def test_a_comment_or_a_docstring_changes_nothing_and_an_expression_does(changed) -> None:
    module, before = "ltv_features.lifetime", code_of("ltv_features.lifetime")
    source = source_of(module)
    assert changed(module, source, module) == before
    assert changed(module, f'"""Other words."""\n# a comment\n{source}\n"""And a last word."""\n', module) == before
    assert changed(module, f"{source}\nONE_MORE = 1\n", module) != before
    at = source.index("return ")
    assert changed(module, f"{source[:at]}return 1 + {source[at + 7 :]}", module) != before


def test_what_a_module_imports_counts_and_a_package_counts_as_a_whole(changed) -> None:
    assert PURCHASES in modules_of("ltv_features.aggregates")
    assert PURCHASES in modules_of("ltv_features.project")
    source = source_of(PURCHASES) + "\nONE_MORE = 1\n"
    assert changed(PURCHASES, source, "ltv_features.project") != code_of("ltv_features.project")
    assert changed(PURCHASES, source, "ltv_features.state") == code_of("ltv_features.state")


def test_a_module_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'ltv_features\.gone' is in the digest of a stage, and there is none"):
        code_of("ltv_features.gone")


def test_every_module_that_is_left_out_is_there() -> None:
    assert [name for name in DECIDE_NOTHING if not source_of(name)] == []


@pytest.mark.parametrize(
    ("names", "reads"),
    [
        (increment.KERNEL, {"ltv_features.state", "ltv_features.user_items", "ltv_features.ragged"}),
        (examples.MODULES, {"ltv_features.labels", "ltv_features.cutoffs", "ltv_features.blocks", PURCHASES}),
        (users.MODULES, {"ltv_features.project", "ltv_features.encode", "ltv_train.predict", PURCHASES}),
        (recommend.MODULES, {"ltv_train.recommend.recommender", "ltv_train.recommend.own", PURCHASES}),
        (
            [*KINDS.values()],
            {"ltv_train.network", "ltv_train.models.recurrent", "ltv_train.classical.trees", "ltv_train.blend"},
        ),
        (
            [training.__name__],
            {"ltv_train.loop", "ltv_train.losses", "ltv_train.classical.boosting", "ltv_train.models.heads"},
        ),
        ([recommender_training.__name__], {"ltv_train.two_tower_fit", "ltv_train.recommend.blend"}),
    ],
)
def test_a_stage_reads_the_code_that_decides_it(names: Sequence[str], reads: set[str]) -> None:
    assert reads <= set(modules_of(*names))


def test_other_code_of_training_is_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    before = training.run_name_of("shards", TrainSettings())
    assert training.run_name_of("shards", TrainSettings()) == before
    monkeypatch.setattr(training, "code_of", lambda *names: "other code")
    assert training.run_name_of("shards", TrainSettings()) != before


def test_other_code_scores_and_recommends_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    lake: Any = SimpleNamespace(version=lambda name: 1, committed=lambda name, as_of: "made from")
    model = {"digest": "d"}

    def digests() -> set[str]:
        return {
            users.scores_digest(lake, "states", model, ScoreSettings()),
            recommend.recommendations_digest(lake, NIGHT, model, 5),
        }

    before = digests()
    assert digests() == before
    for room in (users, recommend):
        monkeypatch.setattr(room, "code_of", lambda *names: "other code")
    assert not digests() & before


def test_source_is_found_in_a_wheel_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as wheel:
        wheel.writestr("ltv_features/__init__.py", "")
        wheel.writestr("ltv_features/lifetime.py", source_of("ltv_features.lifetime"))
    before = code_of.__wrapped__("ltv_features.lifetime")
    monkeypatch.delitem(sys.modules, "ltv_features")
    monkeypatch.syspath_prepend(str(tmp_path / "x.whl"))
    digest._found.cache_clear()
    try:
        assert digest._spec("ltv_features.lifetime").origin == str(tmp_path / "x.whl" / "ltv_features" / "lifetime.py")
        assert code_of.__wrapped__("ltv_features.lifetime") == before
    finally:
        digest._found.cache_clear()


def test_a_table_that_was_made_anew_at_the_same_version_is_another_input() -> None:
    first, again = (Inputs({"events": (table_id, 3)}) for table_id in ("a", "b"))
    assert build_features.made_from(first, NIGHT) != build_features.made_from(again, NIGHT)
    assert build_examples.made_from(first, NIGHT, "c") != build_examples.made_from(again, NIGHT, "c")


def test_other_code_makes_features_and_examples_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = Inputs({"events": ("a", 3)})
    noted = inputs.noted()
    before = build_features.made_from(inputs, NIGHT), build_examples.made_from(inputs, NIGHT, "c")
    assert inputs.follow(noted)
    for job in (build_features, build_examples, increment):
        monkeypatch.setattr(job, "code_of", lambda *names: "other code")
    assert not inputs.follow(noted)
    assert build_features.made_from(inputs, NIGHT) != before[0]
    assert build_examples.made_from(inputs, NIGHT, "c") != before[1]
