"""Small files beside the tables (manifests, bundles, reports), on a local folder or an object store through fsspec."""

import hashlib
import json
import os
from typing import Any

import fsspec

from ltv_features.errors import InputMissing

_PIECE = 1 << 20


def join(root: str, *parts: str) -> str:
    """`root` and `parts` with one slash between them; works for folders and addresses."""
    return "/".join([root.rstrip("/"), *(part.strip("/") for part in parts)])


def exists(path: str) -> bool:
    """Whether a file or folder is there."""
    fs, place = fsspec.url_to_fs(path)
    return bool(fs.exists(place))


def read_bytes(path: str) -> bytes:
    """The content of a file. Raises InputMissing when it is not there or not readable."""
    try:
        with fsspec.open(path, "rb") as stream:
            return bytes(stream.read())
    except OSError as error:
        raise InputMissing(f"{path}: {error.strerror or error}; next: run the job that writes it") from error


def write_bytes(path: str, content: bytes) -> None:
    """Writes a file so that readers see all of it or nothing (local: hidden name, flush to disk, rename)."""
    fs, place = fsspec.url_to_fs(path)
    fs.makedirs(place.rsplit("/", 1)[0], exist_ok=True)
    if "file" not in fs.protocol and "local" not in fs.protocol:
        fs.pipe_file(place, content)
        return
    hidden = f"{place}.part-{os.getpid()}"
    with open(hidden, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(hidden, place)


def read_json(path: str) -> Any:
    """The value in a JSON file. Raises InputMissing when it is not there."""
    return json.loads(read_bytes(path))


def write_json(path: str, value: Any) -> None:
    """Writes a JSON file with sorted keys, all or nothing; NaN is refused by raising ValueError."""
    write_bytes(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False).encode() + b"\n")


def sha256_of(path: str) -> str:
    """The SHA-256 of a file's content as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with fsspec.open(path, "rb") as stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def list_files(folder: str) -> list[str]:
    """The paths of all files below `folder`, sorted, relative to it; empty when it is not there."""
    fs, place = fsspec.url_to_fs(folder)
    root = place.rstrip("/") + "/"
    return sorted(path[len(root) :] for path in fs.find(place)) if fs.exists(place) else []


def remove_folder(folder: str) -> None:
    """Removes a folder and all below it; nothing happens when it is not there."""
    fs, place = fsspec.url_to_fs(folder)
    if fs.exists(place):
        fs.rm(place, recursive=True)
