"""`explanation.json` of a version: what it relies on, computed at its registration and hashed with its other files."""

from pathlib import Path
from typing import Final, Literal

import msgspec

from core.explain.documents import SUM_TOLERANCE, GlobalExplanation
from core.json_documents import decode_json
from core.settings.sealing import read_content

EXPLANATION_NAME: Final = "explanation.json"
MOST_BYTES: Final = 16 << 20


class StoredExplanation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of the file."""

    format: Literal[1] = 1
    report: GlobalExplanation

    def to_bytes(self) -> bytes:
        """Return the content of the file."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"


class ExplanationFinding(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy asks of a version's explanation.

    Attributes:
        problem: Why there is no explanation to rely on; empty if there is one.
        n_rows: How many rows were explained.
        n_features: How many columns moved an answer.
        sum_error: By how much contributions missed an answer at most.
        fidelity: R² of the small tree that imitates the version; None if there were too few rows for one.
    """

    problem: str = ""
    n_rows: int = 0
    n_features: int = 0
    sum_error: float = 0.0
    fidelity: float | None = None

    @property
    def sums_hold(self) -> bool:
        """Whether contributions sum to the answers."""
        return self.sum_error <= SUM_TOLERANCE


def read_explanation(folder: Path) -> GlobalExplanation | None:
    """Read the explanation of an artifact; None if it has none.

    Raises:
        OSError: It cannot be read.
        msgspec.DecodeError: It is damaged, or of another release.
    """
    try:
        content = read_content(folder / EXPLANATION_NAME, most=MOST_BYTES, follow_links=True)
    except FileNotFoundError:
        return None
    if len(content) > MOST_BYTES:
        raise msgspec.DecodeError(f"it has more than {MOST_BYTES:,} bytes")
    return decode_json(content, type=StoredExplanation).report


def finding_in(folder: Path) -> ExplanationFinding:
    """Say what a policy must know of the explanation of an artifact."""
    try:
        report = read_explanation(folder)
    except (OSError, msgspec.DecodeError) as error:
        return ExplanationFinding(problem=f"its {EXPLANATION_NAME} cannot be read ({error})")
    if report is None:
        return ExplanationFinding(
            problem=f"it has no {EXPLANATION_NAME}: explanation.rows was 0, it was registered from a folder, or it is "
            "of an earlier release; train it again"
        )
    return ExplanationFinding(
        n_rows=report.n_rows,
        n_features=sum(entry.importance > 0 for entry in report.features),
        sum_error=report.sum_error,
        fidelity=None if report.surrogate is None else report.surrogate.fidelity,
    )
