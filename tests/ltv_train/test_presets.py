"""Networks by name, and their shapes from files: what a configuration may say, and what it is told when it is wrong."""

from pathlib import Path
from typing import Any

import pytest

from ltv_features.digest import digest_of
from ltv_features.errors import ConfigError
from ltv_features.strict import Section, load
from ltv_train.baselines import fit_baselines
from ltv_train.blend import BOOSTERS
from ltv_train.config import RESERVED, NetworkSettings, TrainSettings
from ltv_train.gate import BASELINE_NAMES, BLEND
from ltv_train.presets import SHIPPED
from tests.value_world import some_material


class Config(Section):
    """The one section that is of interest here."""

    train: TrainSettings = TrainSettings()


def train_of(folder: Path, text: str, **models: str) -> TrainSettings:
    """The section of a configuration in `folder`, with presets beside it."""
    (folder / "models").mkdir(exist_ok=True)
    for name, content in models.items():
        (folder / "models" / f"{name}.toml").write_text(content)
    (folder / "shop.toml").write_text(text)
    return load(folder / "shop.toml", Config).train


def test_without_a_word_there_is_one_network_and_it_is_an_lstm(tmp_path: Path) -> None:
    assert train_of(tmp_path, "").networks == {"lstm": NetworkSettings()}


def test_naming_networks_replaces_the_default_and_none_at_all_is_allowed(tmp_path: Path) -> None:
    named = '[train.networks.small]\nencoder = "gru"\n[train.networks.wide]\nhidden = 256'
    assert list(train_of(tmp_path, named).networks) == ["small", "wide"]
    assert train_of(tmp_path, "[train]\nnetworks = {}").networks == {}


def test_a_preset_beside_the_configuration_goes_before_one_that_comes_with_the_code(tmp_path: Path) -> None:
    text = '[train.networks.a]\npreset = "lstm_256"'
    assert train_of(tmp_path, text).networks["a"].hidden == 256
    assert train_of(tmp_path, text, lstm_256="hidden = 32").networks["a"].hidden == 32


def test_a_path_is_taken_from_the_folder_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "tiny.toml").write_text("hidden = 16")
    assert train_of(tmp_path, '[train.networks.a]\npreset = "mine/tiny.toml"').networks["a"].hidden == 16


def test_what_stands_beside_the_preset_counts_more(tmp_path: Path) -> None:
    made = train_of(tmp_path, '[train.networks.a]\npreset = "lstm_256"\nbatch_size = 128').networks["a"]
    assert (made.hidden, made.batch_size, made.learning_rate) == (256, 128, 0.001)


def test_the_run_depends_on_what_was_resolved_and_not_on_the_name_of_the_preset(tmp_path: Path) -> None:
    one = train_of(tmp_path, '[train.networks.a]\npreset = "x"', x="hidden = 32")
    other = train_of(tmp_path, '[train.networks.a]\npreset = "y"', y="hidden = 32")
    spelled = train_of(tmp_path, "[train.networks.a]\nhidden = 32")
    changed = train_of(tmp_path, '[train.networks.a]\npreset = "x"', x="hidden = 48")
    assert digest_of(one) == digest_of(other) == digest_of(spelled) != digest_of(changed)


@pytest.mark.parametrize(
    ("text", "models", "said"),
    [
        ('preset = "lstm_265"', {}, "no preset 'lstm_265' .*did you mean 'lstm_256'"),
        ('preset = "mine/x.toml"', {}, "preset 'mine/x.toml': there is no file .*x.toml"),
        ('preset = "x"', {"x": "hiden = 3"}, "x.toml: unknown key 'hiden'; did you mean 'hidden'"),
        ('preset = "x"', {"x": 'preset = "lstm_256"'}, "x.toml: unknown key 'preset'"),
        ('preset = "x"', {"x": "hidden = 0"}, "preset 'x': hidden: .*greater than or equal to 1"),
        ('preset = "x"', {"x": "hidden = "}, "x.toml: Invalid value"),
        ('prest = "lstm_256"', {}, "train.networks.a.prest: unknown key; did you mean 'preset'"),
    ],
)
def test_a_wrong_preset_is_refused_with_what_was_probably_meant(
    tmp_path: Path, text: str, models: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        train_of(tmp_path, f"[train.networks.a]\n{text}", **models)


@pytest.mark.parametrize("name", ["anchor", "blend", "boosting_g", "last_90_days", "Upper", "a-b"])
def test_no_network_takes_the_name_of_another_candidate(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="networks"):
        train_of(tmp_path, f"[train.networks.{name}]\nhidden = 8")


def test_every_other_candidate_has_a_reserved_name() -> None:
    fitted = [built.name for built in fit_baselines(some_material())]
    others = {*fitted, *BASELINE_NAMES, *BOOSTERS, BLEND}
    assert {name for name in others if not name.startswith("last_")} <= set(RESERVED)


@pytest.mark.parametrize("preset", sorted(file.stem for file in SHIPPED.glob("*.toml")))
def test_every_preset_that_comes_with_the_code_can_be_read(preset: str) -> None:
    assert NetworkSettings(preset=preset) != NetworkSettings()
