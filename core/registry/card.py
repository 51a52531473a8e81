"""`registration.json`: the facts given when a version was registered, hashed along with its files.

It binds the evidence to the artifact: metrics edited in the database no longer match it. It also allows a version
whose database record was lost to be restored from its folder alone.
"""

from pathlib import Path
from typing import Any

import msgspec

from core.json_documents import decode_json
from core.quality.gate import GateResult
from core.registry.documents import ModelVersion
from core.settings.sealing import read_content

CARD_NAME = "registration.json"


class RegistrationCard(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence for a version, independent of who registered it, when or where."""

    model: str
    description: str
    metrics: dict[str, float]
    lineage: dict[str, Any]
    gates: tuple[GateResult, ...]

    def to_bytes(self) -> bytes:
        """Return the canonical bytes of this card.

        Raises:
            TypeError: The lineage holds something that JSON does not have.
        """
        return msgspec.json.format(msgspec.json.encode(self, order="deterministic"), indent=2) + b"\n"

    @classmethod
    def read(cls, folder: Path) -> "RegistrationCard":
        """Read the card of an artifact.

        Raises:
            OSError: The card is missing or cannot be read.
            msgspec.DecodeError: It is not a card.
        """
        return decode_json(read_content(folder / CARD_NAME), type=cls)

    def contradictions(self, version: ModelVersion) -> list[str]:
        """Name every fact on which the database disagrees, one clause each."""
        problems = [
            f"{CARD_NAME} has {name} {self.metrics.get(name)}, the database {version.metrics.get(name)}"
            for name in {**self.metrics, **version.metrics}
            if self.metrics.get(name) != version.metrics.get(name)
        ]
        if self.lineage != version.lineage:
            problems.append(f"{CARD_NAME} and the database differ on the lineage")
        if _verdicts(self.gates) != _verdicts(version.gates):
            problems.append(f"{CARD_NAME} and the database differ on the quality gates")
        return problems


def _verdicts(gates: tuple[GateResult, ...]) -> list[tuple[str, str, float | None, float]]:
    return [(gate.name, gate.verdict, gate.value, gate.threshold) for gate in gates]
