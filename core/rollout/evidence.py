"""The counts of a rollout so far, guard by guard: small, exact, and stored in its document.

The sums by caller are larger and are stored beside it (see `working_memory.py`).
"""

import msgspec

from core.rollout.eprocess import RateEvidence


class RateCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Requests and failures by arm, and the evidence in the first failures."""

    n_stable: int = 0
    n_candidate: int = 0
    n_stable_failed: int = 0
    n_candidate_failed: int = 0
    evidence: RateEvidence = RateEvidence()  # the first failure of each caller, and all failures of unknown callers
    has_repeated: bool = False  # whether a caller failed again, so that safety must hold over all failures too


class RolloutEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """The counts behind a verdict. Documents of earlier releases also hold moments of losses, which are ignored."""

    n_stable: int = 0
    n_candidate: int = 0
    rates: dict[str, RateCounts] = {}
    n_unpaired: int = 0  # outcomes of rows that only one version answered, where losses are compared row by row
