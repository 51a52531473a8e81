"""All answered predictions and all reported outcomes, in a separate SQLite file beside the time series.

records.py   the stored fields of a prediction and of an outcome
schema.py    the tables
writer.py    the thread that commits once a second, so that an answer never waits for a disk
reader.py    incremental reading with a cursor
usual.py     the recent traffic of a version, for a plan
matching.py  the prediction that an outcome is about
"""

from core.telemetry.predictions.reader import (
    AnswerPair,
    Batch,
    Cursor,
    PredictionReader,
    Scored,
    ScoredPair,
    ServedRequest,
)
from core.telemetry.predictions.recent import RecentTraffic
from core.telemetry.predictions.records import Arm, OutcomeRecord, PredictionRecord, request_number
from core.telemetry.predictions.writer import PredictionHealth, PredictionWriter

__all__ = [
    "AnswerPair",
    "Arm",
    "Batch",
    "Cursor",
    "OutcomeRecord",
    "PredictionHealth",
    "PredictionReader",
    "PredictionRecord",
    "PredictionWriter",
    "RecentTraffic",
    "Scored",
    "ScoredPair",
    "ServedRequest",
    "request_number",
]
