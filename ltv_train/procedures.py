"""Which way of making a model a candidate's name stands for: a digest of the settings that decide it.

The gate compares procedures, and a name alone does not tell one from another: `lstm` of other settings is another
procedure. A bundle that is installed holds the digests of what it was made by. May import: config, bundle.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ltv_features import files
from ltv_features.digest import digest_of
from ltv_features.errors import BundleRefused, InputMissing
from ltv_train.bundle import Bundle, load
from ltv_train.config import BOOSTERS, TrainSettings

PROCEDURES = "procedures"
_SHARED = ("min_vocabulary_count", "max_vocabulary", "impute", "outliers")


def procedures_of(settings: TrainSettings) -> dict[str, str]:
    """The digest of each learned candidate's settings; of a network that is searched the space belongs to them."""
    shared = {name: getattr(settings, name) for name in _SHARED}
    space = settings.search
    searched = {space.network: space} if space else {}
    networks = {name: digest_of(own, searched.get(name), shared) for name, own in settings.networks.items()}
    return networks | dict.fromkeys(BOOSTERS, digest_of(settings.boosting))


def made_by(name: str, bundle: Bundle, run: Mapping[str, Any]) -> dict[str, str]:
    """The digests of the candidate's own procedure, or of a blend's members; empty for what has no settings."""
    names = bundle.config.get("members", [name])
    known: Mapping[str, str] = run.get(PROCEDURES, {})
    return {each: known[each] for each in names if each in known}


def served_before(before: Mapping[str, Any] | None, root: str, run: Mapping[str, Any]) -> str | None:
    """The name of the procedure behind `before`, a row of `models`; marked where it has other settings in this run.

    None where nothing served. A bundle that cannot be read any more keeps its name.
    """
    if before is None:
        return None
    try:
        was = load(Path(files.join(root, before["bundle"]))).config.get(PROCEDURES, {})
    except (BundleRefused, InputMissing):  # the page says why it cannot be read
        return str(before["name"])
    now = run.get(PROCEDURES, {})
    other = sorted(name for name, digest in was.items() if now.get(name) != digest)
    return f"{before['name']} as it was set before ({', '.join(other)})" if other else str(before["name"])
