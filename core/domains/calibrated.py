"""The calibrated constants of a generator: a value with its unit, its grade and its source.

Grades: **V** seen in the cited source or recomputed from its public series; **T** taken from a second-hand
transcription of it; **R** recalled, to be confirmed against the source before it is published as fact; **J** a design
judgement. Each domain keeps its constants in one module, `calibration`, with the `SOURCES` that they name.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Generic, Literal, TypeVar

Grade = Literal["V", "T", "R", "J"]
T = TypeVar("T")

GRADES: Final[Mapping[Grade, str]] = MappingProxyType(
    {
        "V": "seen in the cited source, or recomputed from its public series",
        "T": "taken from a second-hand transcription of the cited source",
        "R": "recalled; to be confirmed against the source",
        "J": "a design judgement",
    }
)


@dataclass(frozen=True, slots=True)
class Constant(Generic[T]):
    """One calibrated value and where it comes from; `source` names codes of `SOURCES`, comma-separated."""

    value: T
    unit: str
    grade: Grade
    source: str
    note: str = ""


def constants_in(names: Mapping[str, Any]) -> dict[str, Constant[object]]:
    """Return the constants among the names of a module."""
    return {name: value for name, value in names.items() if isinstance(value, Constant)}


def calibration_digest(constants: Mapping[str, Constant[object]]) -> str:
    """Return the SHA-256 of constants, so that a data set can name the calibration that made it."""
    lines = (
        f"{name}={dict(c.value) if isinstance(c.value, Mapping) else c.value!r}|{c.unit}|{c.grade}|{c.source}"
        for name, c in sorted(constants.items())
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
