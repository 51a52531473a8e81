"""What a session with agents shows of itself: the sums over its agents. Pure."""

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from core.training.session import Session


def with_totals(parent: Session, children: Sequence[Session]) -> Session:
    """Return a session with the epochs, seconds and failures of its agents, and the score of the best of them."""
    seen = [child.observed for child in children]
    scores = [each.best_score for each in seen if each.best_score is not None]
    progress: list[datetime] = [each.last_progress_at for each in seen if each.last_progress_at is not None]
    totals = replace(
        parent.observed,
        epoch=sum(each.epoch for each in seen),
        best_score=max(scores, default=None),
        trained_seconds=sum(each.trained_seconds for each in seen),
        cpu_seconds=sum(each.cpu_seconds for each in seen),
        tuning_seconds=sum(each.tuning_seconds for each in seen),
        n_failed_epochs=sum(each.n_failed_epochs for each in seen),
        n_rejected_epochs=sum(each.n_rejected_epochs for each in seen),
        last_progress_at=max(progress, default=parent.observed.last_progress_at),
    )
    return replace(parent, observed=totals)
