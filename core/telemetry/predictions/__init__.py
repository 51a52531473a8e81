"""All answered predictions and all reported outcomes, in a separate SQLite file beside the time series.

records.py   the stored fields of a prediction and of an outcome
schema.py    the tables
writer.py    the thread that commits once a second, so that an answer never waits for a disk
reader.py    incremental reading with a cursor
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
