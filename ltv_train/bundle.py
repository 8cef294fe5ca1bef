"""The model folder: written whole or not at all, named by its digest, and refused when anything in it changed.

A bundle holds weights (safetensors, LightGBM text or JSON), `config.json`, `contract.json`, encoding and anchors of its
training, and members of a blend as bundles below `members/`. `digests.json` is written last. Nothing in it is code: no
pickle, and no kind of file that could hold one.
"""

import hashlib
import io
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ltv_features.encode import Encoding
from ltv_features.errors import BundleRefused, InputMissing
from ltv_features.files import sha256_of
from ltv_train.bundle_rules import (
    DIGESTS,
    checked_name,
    checked_path,
    contract_facts,
    contract_problems,
    digests_of,
    listed,
    parsed,
    table_in,
)
from ltv_train.classical.anchors import Anchors

_MAX_FILE_BYTES = 4 << 30


@dataclass(frozen=True)
class Bundle:
    """A verified model folder: its kind, what it was built with, and where it lies."""

    path: Path
    digest: str
    kind: str
    config: Mapping[str, Any]

    @property
    def horizons_days(self) -> tuple[int, ...]:
        """The cumulative horizons that the model speaks about."""
        return tuple(self.config["horizons_days"])

    @property
    def periods_days(self) -> list[tuple[int, int]]:
        """The consecutive periods behind the horizons."""
        return list(zip((0, *self.horizons_days[:-1]), self.horizons_days, strict=True))

    def bytes_of(self, name: str) -> bytes:
        """The content of one file. Raises BundleRefused when the bundle has no such file."""
        place = self.path / checked_path(name)
        if not place.is_file():
            raise BundleRefused(f"bundle {self.path}: no file {name!r}, which kind {self.kind!r} needs")
        return place.read_bytes()

    def json_of(self, name: str) -> Any:
        """The value of one JSON file. Raises BundleRefused when it is not JSON or holds numbers that are not finite."""
        return parsed(self.path, name, self.bytes_of(name))

    def table_of(self, name: str) -> pa.Table:
        """The table in one Parquet file. Raises BundleRefused when it is none, or far too large."""
        return table_in(self.path, name, self.bytes_of(name))

    def encoding(self) -> Encoding:
        """The vocabulary and scales of training."""
        return Encoding.from_parts(self.table_of("vocab.parquet"), self.json_of("scaling.json"))

    def anchors(self) -> Anchors:
        """The anchors of training; scoring uses the entry of the origin."""
        return Anchors.from_dict(self.json_of("anchor.json"))

    def member(self, name: str) -> "Bundle":
        """A member of a blend."""
        return load(self.path / "members" / checked_name(name))


def hold_folder(root: str) -> None:
    """Nothing where bundles can lie below `root`. Raises BundleRefused for an address: they are opened as folders."""
    if "://" in root:
        raise BundleRefused(
            f"lake.root {root}: expected a path that every machine sees, actual an address; bundles are opened as "
            "folders; next: mount the store, and give the path"
        )


def write(
    parent: str | Path,
    *,
    kind: str,
    config: Mapping[str, Any],
    files: Mapping[str, bytes],
    encoding: Encoding | None = None,
    anchors: Anchors | None = None,
    members: Mapping[str, Bundle] | None = None,
) -> Bundle:
    """A new bundle below `parent`, verified after writing; the same content again is left as it is.

    Raises BundleRefused when a name could leave the folder.
    """
    whole = dict(files) | {"config.json": _json({"kind": kind, **config}), "contract.json": _json(contract_facts())}
    if encoding is not None:
        vocabulary, scaling = encoding.to_parts()
        whole |= {"vocab.parquet": _parquet(vocabulary), "scaling.json": _json(scaling)}
    if anchors is not None:
        whole["anchor.json"] = _json(anchors.to_dict())
    whole.setdefault("card.md", _card(kind, config).encode())
    for name, member in (members or {}).items():
        prefix = f"members/{checked_name(name)}"
        whole |= {f"{prefix}/{path}": (member.path / path).read_bytes() for path in listed(member.path)}
    for path in whole:
        checked_path(path)
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in sorted(whole.items())}
    digest = hashlib.sha256(_json(digests)).hexdigest()[:16]
    target = Path(parent) / digest
    if not (target / DIGESTS).exists():
        _place(target, whole | {DIGESTS: _json(digests)})
    return load(target)


def load(path: str | Path) -> Bundle:
    """The bundle at `path`, every file checked. Raises InputMissing without one, BundleRefused with the difference."""
    folder = Path(path)
    if not (folder / DIGESTS).is_file():
        raise InputMissing(f"bundle {folder}: no {DIGESTS}, so it was never finished; next: run train and evaluate")
    digests = digests_of(folder)
    found = set(listed(folder))
    problems = [f"{name}: not in the digests" for name in sorted(found - set(digests) - {DIGESTS})]
    problems += [f"{name}: missing" for name in sorted(set(digests) - found)]
    for name in sorted(set(digests) & found):
        if (folder / name).stat().st_size > _MAX_FILE_BYTES:
            problems.append(f"{name}: larger than {_MAX_FILE_BYTES} bytes")
        elif (actual := sha256_of(str(folder / name))) != digests[name]:
            problems.append(f"{name}: expected SHA-256 {digests[name][:16]}..., actual {actual[:16]}...")
    if not problems:
        problems = contract_problems(parsed(folder, "contract.json", (folder / "contract.json").read_bytes()))
    if problems:
        raise BundleRefused(f"bundle {folder}: " + "; ".join(problems) + "; next: train again with this version")
    config = parsed(folder, "config.json", (folder / "config.json").read_bytes())
    return Bundle(folder, hashlib.sha256(_json(digests)).hexdigest()[:16], config["kind"], config)


def load_promoted(path: str | Path, digest: str) -> Bundle:
    """The bundle that was promoted under this digest. Raises what `load` raises, and BundleRefused where another bundle
    lies in its place.
    """
    bundle = load(path)
    if bundle.digest != digest:
        raise BundleRefused(
            f"bundle {path}: expected the promoted one with digest {digest}, actual {bundle.digest}; next: put it "
            "back, or train and evaluate again"
        )
    return bundle


def copy(bundle: Bundle, parent: Path) -> Bundle:
    """The same bundle below `parent` under its digest, verified; left as it is when it is there already."""
    target = parent / bundle.digest
    if not (target / DIGESTS).exists():
        _place(target, {path: bundle.bytes_of(path) for path in listed(bundle.path)})
    return load(target)


def amended(bundle: Bundle, parent: str | Path, facts: Mapping[str, Any]) -> Bundle:
    """The same model below `parent` with `facts` in its configuration, under a digest of its own."""
    own = ("config.json", "contract.json", "card.md", DIGESTS)
    content = {path: bundle.bytes_of(path) for path in listed(bundle.path) if path not in own}
    return write(parent, kind=bundle.kind, config={**bundle.config, **facts}, files=content)


def _place(target: Path, whole: Mapping[str, bytes]) -> None:
    hidden = target.with_name(f".{target.name}-{os.getpid()}")
    shutil.rmtree(hidden, ignore_errors=True)
    for path in sorted(whole, key=lambda name: name == DIGESTS):
        place = hidden / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(whole[path])
    if target.exists():  # left half-written by a run that died
        shutil.rmtree(target)
    try:
        hidden.rename(target)
    except OSError:
        if not (target / DIGESTS).is_file():
            raise
        shutil.rmtree(hidden)  # another process placed the same content first


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False).encode()


def _parquet(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


def _card(kind: str, config: Mapping[str, Any]) -> str:
    facts = "\n".join(
        f"- {key}: {value}" for key, value in sorted(config.items()) if not isinstance(value, dict | list)
    )
    title, horizons = config.get("name", kind), config["horizons_days"]
    return f"# {title}\n\nA model of kind `{kind}` for horizons {horizons} days.\n\n{facts}\n"
