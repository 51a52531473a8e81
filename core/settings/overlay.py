"""Laying one mapping of settings over another."""

from collections.abc import Mapping
from typing import Any


def overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return `below` with the keys of `above` changed, block by block.

    `models` names the whole set to train, so it is replaced as a whole; of any other block only the given keys change.

    >>> overlay({"alerts": {"a": 1, "b": 2}}, {"alerts": {"b": 3}})
    {'alerts': {'a': 1, 'b': 3}}
    """
    merged = dict(below)
    for key, value in above.items():
        beneath = merged.get(key)
        is_block = isinstance(value, Mapping) and isinstance(beneath, Mapping) and key != "models"
        merged[key] = overlay(beneath, value) if is_block else value  # type: ignore[arg-type]
    return merged
