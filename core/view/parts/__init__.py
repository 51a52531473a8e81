"""The parts of a snapshot. Every part in `PARTS` is shown, recorded and replayed.

part.py       the two kinds of parts
stored.py     how a field is split into documents
documents.py  the parts that the recorder stores
histories.py  the parts that keep their own past
settings.py   the settings files, which only show when they cannot be used
inhibitions.py  which alerts another one keeps from being told

The parts import their stores when they are first read: the console and `bondx status` start from this package.
"""

from core.view.parts.documents import (
    AlertsPart,
    EnginePart,
    MonitoringPart,
    PacksPart,
    RegistryPart,
    RetrainingsPart,
    RolloutsPart,
    RunsPart,
    SessionsPart,
    SilencesPart,
    StressPart,
    ViewsPart,
)
from core.view.parts.histories import AuditPart, EpochsPart, LastEnginePart, ResourcesPart
from core.view.parts.inhibitions import InhibitionsPart
from core.view.parts.part import DocumentPart, HistoryPart
from core.view.parts.settings import SettingsPart

PARTS: tuple[type[DocumentPart] | type[HistoryPart], ...] = (
    EnginePart,
    LastEnginePart,  # after the engine: while one runs there is none
    SettingsPart,
    RegistryPart,
    SessionsPart,
    AlertsPart,
    SilencesPart,
    InhibitionsPart,  # after the alerts
    RolloutsPart,
    RetrainingsPart,
    MonitoringPart,
    StressPart,
    PacksPart,
    ViewsPart,
    RunsPart,
    ResourcesPart,
    EpochsPart,  # after the sessions, which decide whose epochs are read
    AuditPart,
)
