"""Every answer given and every outcome learnt, in a SQLite file of its own beside the time series.

records.py   what is stored of a prediction and of an outcome
schema.py    the tables
writer.py    the thread that commits once a second, so that an answer never waits for a disk
reader.py    reading on from where one left off
matching.py  the prediction that an outcome is about
"""

from core.telemetry.predictions.reader import Batch, Cursor, PredictionReader, Scored, ServedRequest
from core.telemetry.predictions.records import Arm, OutcomeRecord, PredictionRecord
from core.telemetry.predictions.writer import PredictionHealth, PredictionWriter

__all__ = [
    "Arm",
    "Batch",
    "Cursor",
    "OutcomeRecord",
    "PredictionHealth",
    "PredictionReader",
    "PredictionRecord",
    "PredictionWriter",
    "Scored",
    "ServedRequest",
]
