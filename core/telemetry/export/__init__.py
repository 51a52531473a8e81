"""Telemetry as files for other programs: Parquet or CSV, in bounded memory, the whole folder or nothing.

columns.py      the columns of each kind, with their types and what they say
predictions.py  rows of predictions, outcomes and traffic
series.py       rows of resources and epochs
files.py        the formats
writing.py      the verb
"""

from core.telemetry.export.columns import KINDS, ExportKind
from core.telemetry.export.files import ExportFormat
from core.telemetry.export.writing import Exported, ExportedFile, ExportRequest, default_kinds, export_telemetry

__all__ = [
    "KINDS",
    "ExportFormat",
    "ExportKind",
    "ExportRequest",
    "Exported",
    "ExportedFile",
    "default_kinds",
    "export_telemetry",
]
