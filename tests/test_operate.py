"""What a person says by hand: hold and release, with a reason, through the command line."""

from pathlib import Path

import pytest

from jobs import operate
from jobs.operate.__main__ import main
from ltv_features import controls
from ltv_features.tables import Lake
from ltv_train.score.guards import control_problems
from tests.ingest_shop import DAY

pytestmark = pytest.mark.spark

CONFIG = """
[lake]
root = "{root}"
[sources.orders]
path = "orders.csv"
format = "csv"
[export]
folder = "export"
suppression = "suppression.csv"
"""


@pytest.fixture
def flags(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The flags of a command; the session of the tests stays open after it."""
    (tmp_path / "my.toml").write_text(CONFIG.format(root=lake.root))
    monkeypatch.setattr(type(lake.spark), "stop", lambda spark: None)
    return ["--config", str(tmp_path / "my.toml"), "--as-of", str(DAY)]


def test_a_hold_speaks_against_publishing_until_it_is_released(lake: Lake, flags: list[str]) -> None:
    assert operate.__doc__
    assert control_problems(lake, DAY) == []
    assert main(["hold", "night", *flags, "--reason", "prices were wrong"]) == 0
    (problem,) = control_problems(lake, DAY)
    assert "held by hand: prices were wrong (" in problem
    assert main(["release", "night", *flags, "--reason", "corrected"]) == 0
    assert control_problems(lake, DAY) == []
    assert controls.says(lake, DAY, "ingest/orders") is None


def test_a_thing_that_is_not_there_is_refused_with_those_that_are(
    lake: Lake, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["release", "ingest/order", *flags, "--reason", "x"]) == 2
    assert "expected night, ingest/orders" in capsys.readouterr().err
    assert main(["hold", "ingest/orders", *flags, "--reason", "x"]) == 2
    assert main(["hold", "night", *flags, "--reason", " "]) == 2
    assert main(["replay", "order", *flags]) == 2
    assert "--reason is missing" in (said := capsys.readouterr().err)
    assert "replay 'order': expected nothing, there is none" in said
    assert not lake.exists("controls")
