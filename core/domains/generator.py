"""The data set of a domain that `bondx data generate` writes. Light to import."""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import msgspec

FORMATS = ("parquet", "csv", "jsonl")


@dataclass(frozen=True, slots=True)
class Generator:
    """A data set that a domain writes for anybody who asks.

    Attributes:
        summary: What it writes, for the help.
        settings: Its settings: each field is an option, with the description and the limits of its `Meta`.
        place: `module:function` of the function that writes it. It takes the settings, the folder (created if it is
            missing) and the formats, and returns a `Generated`.
        formats: The formats to choose from, all of which are written by default; empty: there is no choice.
    """

    summary: str
    settings: type[msgspec.Struct]
    place: str
    formats: tuple[str, ...] = FORMATS


@dataclass(frozen=True, slots=True)
class Generated:
    """What was written.

    Attributes:
        lineage: The record beside the files, for `--json`.
        summary: What there is now, in a few words: "1000 synthetic bonds, seed 42".
    """

    lineage: Any
    summary: str


@runtime_checkable
class GeneratingDomain(Protocol):
    """A domain with a data set of its own making; for others that draw, it is one panel, as a session draws it."""

    @property
    def generator(self) -> Generator:
        """What `bondx data generate NAME` writes."""
