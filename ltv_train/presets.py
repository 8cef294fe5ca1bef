"""Named network shapes: TOML files whose keys are those of a network's section.

A bare name is looked for in the folder `models` beside the configuration, then among the shapes that come with this
repository (deploy/configs/models); a name with a slash or `.toml` is a path, taken from the configuration's folder.
May import: `ltv_features.strict`.
"""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ltv_features.strict import nearest

SHIPPED = Path(__file__).resolve().parents[1] / "deploy" / "configs" / "models"
_BESIDE = "models"


def read_preset(name: str, beside: Path | None, keys: Iterable[str]) -> dict[str, Any]:
    """What the preset says. Raises ValueError, with the nearest name, for a preset or a key that there is not.

    `beside` is the folder of the configuration, where there is one; `keys` are those that a preset may hold.
    """
    file = _file_of(name, beside)
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"preset {file}: {error}") from error
    allowed = list(keys)
    wrong = [f"unknown key {key!r}{nearest(key, allowed)}" for key in said if key not in allowed]
    if wrong:
        raise ValueError(f"preset {file}: {'; '.join(wrong)}")
    return said


def _file_of(name: str, beside: Path | None) -> Path:
    if "/" in name or name.endswith(".toml"):
        file = (beside or Path()) / name
        if not file.is_file():
            raise ValueError(f"preset {name!r}: there is no file {file}")
        return file
    folders = [*([beside / _BESIDE] if beside else []), SHIPPED]
    found = {file.stem: file for folder in reversed(folders) for file in sorted(folder.glob("*.toml"))}
    if name not in found:
        known = f"known are {', '.join(sorted(found))}" if found else "none is there"
        places = " and ".join(str(folder) for folder in folders)
        raise ValueError(f"no preset {name!r} in {places}{nearest(name, found)}; {known}")
    return found[name]
