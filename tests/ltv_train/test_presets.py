"""Networks by name, and their shapes from files: what a configuration may say, and what it is told when it is wrong."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from pydantic import ValidationError

from ltv_features.digest import digest_of
from ltv_features.errors import ConfigError
from ltv_features.project import Examples
from ltv_features.strict import Section, load
from ltv_train import network
from ltv_train.baselines import fit_baselines
from ltv_train.bundle import Bundle, write
from ltv_train.checkpoint import FolderKeeper
from ltv_train.config import BOOSTERS, RESERVED, NetworkSettings, RecommendSettings, TrainSettings
from ltv_train.fits import FitResult, Place, run_all
from ltv_train.judging.gate import BASELINE_NAMES, BLEND
from ltv_train.models import ENCODERS
from ltv_train.predict import predict
from ltv_train.presets import SHIPPED
from ltv_train.sizes import rank_batch
from ltv_train.value_fit import NetworkFit
from tests.network_world import some_anchors, some_encoding, write_world
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


@pytest.mark.parametrize(("size", "nearest"), [(48, "32 and 64"), (100, "64 and 128"), (1000, "960 and 1024")])
def test_a_batch_that_does_not_fit_blocks_is_refused_with_the_nearest_that_do(
    tmp_path: Path, size: int, nearest: str
) -> None:
    with pytest.raises(ConfigError, match=rf"a\.batch_size: .*the nearest are {nearest} \(got {size}\)"):
        train_of(tmp_path, f"[train.networks.a]\nbatch_size = {size}")
    with pytest.raises(ConfigError, match=f"preset 'x': batch_size: .*the nearest are {nearest}"):
        train_of(tmp_path, '[train.networks.a]\npreset = "x"', x=f"batch_size = {size}")
    with pytest.raises(ValidationError, match=f"the nearest are {nearest}"):
        RecommendSettings(batch_size=size)


def test_a_batch_that_is_accepted_is_the_one_that_a_single_rank_takes() -> None:
    for size in range(1, 700):
        refused = pytest.raises(ValidationError) if rank_batch(size, 1) != size else nullcontext()
        with refused:
            NetworkSettings(batch_size=size)


@pytest.mark.parametrize("name", ["anchor", "blend", "boosting_g", "last_90_days", "Upper", "a-b"])
def test_no_network_takes_the_name_of_another_candidate(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="networks"):
        train_of(tmp_path, f"[train.networks.{name}]\nhidden = 8")


def test_every_other_candidate_has_a_reserved_name() -> None:
    fitted = [built.name for built in fit_baselines(some_material())]
    others = {*fitted, *BASELINE_NAMES, *BOOSTERS, BLEND}
    assert {name for name in others if not name.startswith("last_")} <= set(RESERVED)


NAMED: dict[str, dict[str, Any]] = {
    "mlp": {"encoder": "mlp", "embedding": 16, "layers": [128, 64]},
    "cnn": {"encoder": "cnn", "layers": [64, 64], "kernel": 3},
    "rnn": {"encoder": "rnn"},
    "gru": {"encoder": "gru"},
    "lstm": {"encoder": "lstm", "embedding": 50, "layers": [128, 128], "dropout": 0.2},
    "lstm_without_anchor": {"encoder": "lstm", "residual_on_anchor": False},
    "lstm_256": {"encoder": "lstm", "hidden": 256, "batch_size": 64, "learning_rate": 0.001},
    "cnn_lstm": {"encoder": "cnn_lstm", "filters": 64, "kernel": 3, "layers": [50, 50]},
    "churn_lstm_64": {"encoder": "lstm", "hidden": 64},
    "churn_lstm_128_64": {"encoder": "lstm", "layers": [128, 64], "batch_norm": True, "dropout": 0.5},
    "transformer": {"encoder": "transformer", "hidden": 64, "layers": 2, "heads": 4},
}
"""What people who ask for a shape by name expect of it; everything else is as without a preset."""


@pytest.mark.parametrize("preset", sorted(file.stem for file in SHIPPED.glob("*.toml")))
def test_a_preset_that_comes_with_the_code_says_what_its_name_promises(preset: str) -> None:
    assert NetworkSettings(preset=preset).model_dump() == NetworkSettings(**NAMED[preset]).model_dump()


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Examples]:
    return write_world(tmp_path_factory.mktemp("shards"), users=160)


@pytest.mark.parametrize("preset", sorted(NAMED))
def test_every_preset_is_built_takes_two_steps_and_predicts(
    shards: tuple[str, Examples], tmp_path: Path, preset: str
) -> None:
    folder, rows = shards
    settings = NetworkSettings(preset=preset, steps=2)
    fit = NetworkFit(preset, folder, settings, some_encoding(rows), some_anchors(), seed=1)
    [result] = run_all([fit], Place(), FolderKeeper(str(tmp_path)))
    assert (result.steps, result.skipped_steps) == (2, 0)
    said = predict(bundle_of(result, fit, tmp_path), rows.take(np.arange(5)))
    assert np.isfinite(said.mean).all()


def bundle_of(result: FitResult, fit: NetworkFit, folder: Path, *, cap_minor: float = 1e12) -> Bundle:
    """What was fitted, as it would be stored."""
    said = fit.settings
    config = network.to_config(
        result.shape, encoder=said.encoder, residual=said.residual_on_anchor, members=1, cap_minor=cap_minor
    )
    return write(
        folder,
        kind=network.KIND,
        config=config | {"horizons_days": [30, 90]},
        files=network.to_files([result.weights]),
        encoding=fit.encoding,
        anchors=fit.anchors,
    )


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_a_thousand_times_the_money_is_a_thousand_times_the_score(tmp_path: Path, encoder: str) -> None:
    """Through a fit of a few steps: nothing on the way knows what a coin is worth."""
    said = {}
    for money in (1.0, 1000.0):
        place = tmp_path / str(money)
        folder, rows = write_world(place, users=160, money=money)
        settings = NetworkSettings(encoder=encoder, hidden=16, batch_size=64, steps=6, learning_rate=1e-2)
        fit = NetworkFit(encoder, folder, settings, some_encoding(rows), some_anchors(money), seed=1)
        [result] = run_all([fit], Place(), FolderKeeper(str(place)))
        said[money] = predict(bundle_of(result, fit, place), rows)
    assert np.allclose(said[1000.0].mean, 1000 * said[1.0].mean, rtol=2e-3)
    assert np.allclose(said[1000.0].p_purchase, said[1.0].p_purchase, atol=1e-4)
    assert said[1.0].mean.std() > 0.05 * said[1.0].mean.mean()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"encoder": "lstm", "heads": 2}, "heads is for encoder transformer, not for lstm"),
        ({"encoder": "mlp", "batch_norm": True}, "batch_norm is for encoder rnn or gru"),
        ({"optimiser": "sgd", "weight_decay": 0.1}, "weight_decay is for optimiser adamw, not for sgd"),
        ({"momentum": 0.5}, "momentum is for optimiser sgd"),
        ({"decay": 0.5}, "decay is for schedule step or exponential, not for cosine"),
        ({"layers": [64, 32], "hidden": 64}, "layers .* hidden = 64 is too much"),
        ({"encoder": "transformer", "layers": [64, 64]}, "a transformer has layers of one width"),
        ({"encoder": "transformer", "hidden": 50}, "hidden a multiple of 16"),
        ({"encoder": "lsmt"}, "Input should be 'mlp'"),
    ],
)
def test_a_setting_that_would_change_nothing_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        NetworkSettings(**values)


def test_a_search_that_the_network_cannot_follow_is_refused_before_it_starts() -> None:
    widths = {"networks": {"lstm": {"layers": [64, 32]}}, "search": {"hidden": [32, 64]}}
    with pytest.raises(ValidationError, match=r"search.hidden: 32 cannot be tried: .* hidden = 32 is too much"):
        TrainSettings.model_validate(widths)


def test_a_search_among_whose_choices_two_do_not_go_together_is_refused_before_it_starts() -> None:
    pairs = {"search": {"encoder": ["lstm", "transformer"], "hidden": [8, 16]}}
    with pytest.raises(
        ValidationError, match=r"search.hidden: 8 with encoder: 'transformer' cannot be tried: .* of 16"
    ):
        TrainSettings.model_validate(pairs)
    TrainSettings.model_validate({"search": {"encoder": ["lstm", "gru"], "hidden": [8, 16]}})


def test_the_settings_know_every_encoder_and_no_other() -> None:
    assert set(get_args(NetworkSettings.model_fields["encoder"].annotation)) == set(ENCODERS)
