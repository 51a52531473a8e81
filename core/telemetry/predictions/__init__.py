"""All answered predictions and all reported outcomes, in a separate SQLite file beside the time series.

records.py    the stored fields of a prediction and of an outcome
schema.py     the tables; routes.py what many predictions have in common
writer.py     the thread that commits once a second, so that an answer never waits for a disk
retention.py  which predictions and outcomes are deleted, and when
traffic.py    counts and latencies of each version by the minute and the hour
tally.py      the number of stored outcomes
waiting.py    outcomes that came before their prediction
reader.py     incremental reading with a cursor
recent.py     the recent traffic of a version, for a plan; delays.py how long its outcomes take
labelled.py   answers with their outcomes, of all versions; cursor.py a position in the store
prompts.py    what was measured of the prompts of a model of language
matching.py   the prediction that an outcome is about
usage.py      what the stored predictions take on the disk
reporting.py  what an outcome may be
"""

from core.telemetry.predictions.cursor import Cursor
from core.telemetry.predictions.delays import OutcomeDelay
from core.telemetry.predictions.labelled import AnswerCounts, LabelledAnswers, LabelledBatch
from core.telemetry.predictions.matching import MatchedOutcome
from core.telemetry.predictions.prompts import MeasuredPrompt, PromptPage
from core.telemetry.predictions.reader import (
    AnswerPair,
    Batch,
    FollowedAnswer,
    PredictionReader,
    Scored,
    ScoredPair,
    ServedRequest,
)
from core.telemetry.predictions.recent import RecentTraffic
from core.telemetry.predictions.records import (
    Arm,
    OutcomeRecord,
    PredictionRecord,
    PromptRecord,
    TextCounts,
    request_number,
)
from core.telemetry.predictions.reporting import OUTCOME_LIMIT, OutcomeError, check_against, checked_outcome
from core.telemetry.predictions.traffic import TrafficGrain, TrafficSpan, traffic_period
from core.telemetry.predictions.usage import ModelUsage, PredictionUsage
from core.telemetry.predictions.writer import PredictionHealth, PredictionWriter

__all__ = [
    "OUTCOME_LIMIT",
    "AnswerCounts",
    "AnswerPair",
    "Arm",
    "Batch",
    "Cursor",
    "FollowedAnswer",
    "LabelledAnswers",
    "LabelledBatch",
    "MatchedOutcome",
    "MeasuredPrompt",
    "ModelUsage",
    "OutcomeDelay",
    "OutcomeError",
    "OutcomeRecord",
    "PredictionHealth",
    "PredictionReader",
    "PredictionRecord",
    "PredictionUsage",
    "PredictionWriter",
    "PromptPage",
    "PromptRecord",
    "RecentTraffic",
    "Scored",
    "ScoredPair",
    "ServedRequest",
    "TextCounts",
    "TrafficGrain",
    "TrafficSpan",
    "check_against",
    "checked_outcome",
    "request_number",
    "traffic_period",
]
