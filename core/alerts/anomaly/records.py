"""What is kept of each model that a rule on anomalies watches."""

from datetime import datetime

import msgspec

ANOMALY_TABLE = "anomaly_models"


class AnomalyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One model under one rule, written when its history was learnt: once a day."""

    key: str  # "RULE:MODEL"
    rule: str
    model: str
    is_watched: bool  # False: not enough history
    n_days: float  # of history
    fitted_at: datetime
    revision: int = 0
