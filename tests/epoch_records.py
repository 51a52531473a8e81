"""The report of an epoch, for tests that need one and no training."""

from core.quality.gate import judge
from core.training.records import DrawRecord, EpochRecord


def an_epoch(epoch: int, **changes) -> EpochRecord:
    """Return the record of an epoch that learned from ten rows, apart from the changes."""
    fields = {
        "learned": True,
        "draw": DrawRecord(purpose="draw", seed=1, n_rows=10, n_groups=2, sha256="0" * 64),
        "n_learned_rows": 8,
        "n_holdout_rows": 2,
        "gates": (judge("coverage", 99.0, ">=", 90.0),),
        "quality_score": 0.99,
        "score": 0.95,
        "metrics": {"spread.attainment": 0.95},
        "holdout": {},
    }
    return EpochRecord(epoch=epoch, **(fields | changes))
