"""What ends a step of a retraining without being a fault of the program."""

from collections.abc import Mapping
from typing import Any

from core.errors import RefusedError


class NotPassedError(RefusedError):
    """Rows or a version did not pass: the live version stays, and no further attempt would find otherwise."""

    def __init__(self, reason: str, evidence: Mapping[str, Any]) -> None:
        super().__init__(reason)
        self.reason = reason
        self.evidence = dict(evidence)
