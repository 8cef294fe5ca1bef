"""A network speaks from a bundle whose files belong together, or it is said in words which of them do not."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

from ltv_features.encode import Encoding
from ltv_features.errors import BundleRefused
from ltv_train import bundle
from ltv_train.bundle import Bundle
from ltv_train.bundle_rules import DIGESTS, listed
from ltv_train.network import WEIGHTS_FILE, load_predictor
from ltv_train.recommend.recommender import cached_recommender, write_recommender
from ltv_train.weights import weights_of
from tests.recommend_world import SETTINGS, some_recommender
from tests.test_every_model import WORLD, bundled

WEIGHT = "0.head.project.weight"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Two small networks of two periods."""
    return bundled("gru", tmp_path_factory.mktemp("made"))


def changed(
    made: Bundle,
    parent: Path,
    *,
    config: Mapping[str, Any] | None = None,
    files: Mapping[str, bytes] | None = None,
    encoding: Encoding | None = None,
) -> Bundle:
    """The bundle with other contents and the digests of those: as somebody would who means it."""
    own = ("config.json", "contract.json", "card.md", DIGESTS)
    content = {path: made.bytes_of(path) for path in listed(made.path) if path not in own} | dict(files or {})
    return bundle.write(
        parent, kind=made.kind, config={**made.config, **(config or {})}, files=content, encoding=encoding
    )


def with_weights(made: Bundle, parent: Path, weights: Mapping[str, Tensor]) -> Bundle:
    return changed(made, parent, files={WEIGHTS_FILE: safetensors.torch.save(dict(weights))})


def test_a_bundle_as_it_was_written_speaks(made: Bundle, tmp_path: Path) -> None:
    said = load_predictor(made).predict(WORLD).mean
    for again in (changed(made, tmp_path), with_weights(made, tmp_path, weights_of(made, WEIGHTS_FILE))):
        assert np.array_equal(load_predictor(again).predict(WORLD).mean, said)


@pytest.mark.parametrize(("numbers", "rows"), [([3], 3), (list(range(1, 41)), 42)])
def test_another_vocabulary_than_the_weights_were_learned_with_is_refused(
    made: Bundle, tmp_path: Path, numbers: list[int], rows: int
) -> None:
    """A shorter one would look up rows of other categories, and a longer one rows that are not there."""
    known = made.encoding()
    other = replace(known, numbers=known.numbers | {"category_no": np.array(numbers)})
    with pytest.raises(BundleRefused, match=rf"shape\.vocabulary\.category_no: expected {rows}, actual 9;"):
        load_predictor(changed(made, tmp_path, encoding=other))


@pytest.mark.parametrize("kind", [torch.float16, torch.float64, torch.bfloat16, torch.int8])
def test_weights_of_another_type_are_refused(made: Bundle, tmp_path: Path, kind: torch.dtype) -> None:
    weights = weights_of(made, WEIGHTS_FILE)
    other = with_weights(made, tmp_path, weights | {WEIGHT: weights[WEIGHT].to(kind)})
    name = str(kind).removeprefix("torch.")
    with pytest.raises(BundleRefused, match=rf"project\.weight: expected float32 \[12, 16\], actual {name} \[12, 16\]"):
        load_predictor(other)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(made: Bundle, tmp_path: Path, value: float) -> None:
    weights = weights_of(made, WEIGHTS_FILE)
    spoilt = weights[WEIGHT].clone()
    spoilt[1, 2] = value
    with pytest.raises(BundleRefused, match=rf"not finite: {WEIGHT}"):
        load_predictor(with_weights(made, tmp_path, weights | {WEIGHT: spoilt}))


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"encoder": "oracle"}, r"encoder: expected one of mlp, .*, actual 'oracle'"),
        ({"head": "oracle"}, r"head: expected one of ziln, .*, actual 'oracle'"),
        ({"horizons_days": [30, 90, 180]}, r"shape\.periods: expected 3, actual 2"),
        ({"members": 3}, "members: expected 2, actual 3"),
        ({"shape": {"depth": 3}}, r"no network can be built .* 'depth'"),
        ({"shape": {"aggregates": 3}}, r"shape\.aggregates: expected \d+, actual 3"),
        ({"shape": {"width": 32}}, r"weights differ: 0\..*: expected float32 \[.*\], actual float32 \["),
    ],
)
def test_a_configuration_that_its_other_files_contradict_is_refused(
    made: Bundle, tmp_path: Path, config: dict[str, Any], complaint: str
) -> None:
    shape = {"shape": made.config["shape"] | config["shape"]} if "shape" in config else {}
    with pytest.raises(BundleRefused, match=complaint):
        load_predictor(changed(made, tmp_path, config=config | shape))


def test_what_a_configuration_lacks_is_named(made: Bundle, tmp_path: Path) -> None:
    lacking = {key: value for key, value in made.config.items() if key not in ("cap_minor", "encoder", "kind")}
    files = {path: made.bytes_of(path) for path in (WEIGHTS_FILE, "vocab.parquet", "scaling.json", "anchor.json")}
    with pytest.raises(BundleRefused, match=r"config\.json has no cap_minor, encoder"):
        load_predictor(bundle.write(tmp_path, kind=made.kind, config=lacking, files=files))


@pytest.mark.parametrize("kept", [0, 7, 500, -1])
@pytest.mark.parametrize(
    ("name", "complaint"), [(WEIGHTS_FILE, "no whole safetensors file"), ("vocab.parquet", "no Parquet file")]
)
def test_a_file_that_was_cut_before_its_digest_was_taken_is_refused(
    made: Bundle, tmp_path: Path, name: str, complaint: str, kept: int
) -> None:
    with pytest.raises(BundleRefused, match=complaint):
        load_predictor(changed(made, tmp_path, files={name: made.bytes_of(name)[:kept]}))


def test_a_recommender_of_other_weights_is_refused(tmp_path: Path) -> None:
    whole = write_recommender(str(tmp_path), some_recommender(), SETTINGS, {})
    half = {name: value.half() for name, value in weights_of(whole, WEIGHTS_FILE).items()}
    other = with_weights(whole, tmp_path, half)
    with pytest.raises(BundleRefused, match=r"expected float32 \[.*\], actual float16 \["):
        cached_recommender(str(other.path), other.digest)


def test_a_recommender_of_settings_that_nobody_may_have_is_refused(tmp_path: Path) -> None:
    whole = write_recommender(str(tmp_path), some_recommender(), SETTINGS, {})
    other = changed(whole, tmp_path, config={"settings": whole.config["settings"] | {"depth": 3}})
    with pytest.raises(BundleRefused, match=r"(?s)settings in config\.json: .*depth"):
        cached_recommender(str(other.path), other.digest)
