"""The parts of a snapshot. `PARTS` is the one list: what stands on it is shown, recorded and replayed.

part.py       what a part is
stored.py     how its fields are taken apart into documents
documents.py  the parts that the recorder writes down
histories.py  the parts that keep their own past

Importing this package loads nothing of what the parts read: the console and `bondx status` start from it.
"""

from core.view.parts.documents import AlertsPart, EnginePart, RegistryPart, RolloutsPart, RunsPart, SessionsPart
from core.view.parts.histories import AuditPart, EpochsPart, ResourcesPart
from core.view.parts.part import DocumentPart, HistoryPart

PARTS: tuple[type[DocumentPart] | type[HistoryPart], ...] = (
    EnginePart,
    RegistryPart,
    SessionsPart,
    AlertsPart,
    RolloutsPart,
    RunsPart,
    ResourcesPart,
    EpochsPart,  # after the sessions, which say whose epochs are wanted
    AuditPart,
)
