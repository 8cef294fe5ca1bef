"""Digests of settings, versions and files: how a job knows that it has already done this work."""

import hashlib
import json
from typing import Any

from pydantic import BaseModel

from ltv_features.contract import SCHEMA_VERSION


def digest_of(*parts: Any) -> str:
    """16 hexadecimal digits that depend on every part (JSON values, pydantic models, dates) and on the schema version.

    >>> digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    True
    """
    text = json.dumps([SCHEMA_VERSION, *parts], sort_keys=True, default=_plain, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"cannot digest a {type(value).__name__}")
