"""A judged gate in words, as a list of gates shows it."""

from __future__ import annotations

from typing import Literal

import msgspec


class Gate(msgspec.Struct, frozen=True):
    """One judged gate in words."""

    name: str
    verdict: Literal["pass", "fail", "warn"]
    value: str
    threshold: str
    n_samples: int
    reason: str = ""
