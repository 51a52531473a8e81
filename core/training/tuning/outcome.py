"""The end of a search: with these parameters the session trains."""

import msgspec

from core.training.records import DrawRecord
from core.training.tuning.records import SelectionRecord, TuningRecord


class TuningOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The verdicts.

    Attributes:
        records: Of each model.
        stopped: Why the search ended early; empty where it ran to its end.
        draws: The rows of the search, and those of the verdicts.
        selections: The columns of each model, where they were chosen.
    """

    records: tuple[TuningRecord, ...]
    stopped: str = ""
    draws: tuple[DrawRecord, ...] = ()
    selections: tuple[SelectionRecord, ...] = ()
