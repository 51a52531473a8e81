"""What triggers look at: the live version, its monitoring, and the rows that have come."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from core.errors import CoreError
from core.monitoring.monitoring_store import MonitoringStore
from core.registry import ModelVersion, Registry
from core.registry.errors import ModelNotFoundError
from core.registry.language_models import is_language_model
from core.retraining.document import Retraining
from core.retraining.retrainings import Retrainings
from core.retraining.triggers import ModelFacts
from core.rollout.rollout_records import RolloutRecords
from core.settings.retraining import RetrainingPolicy
from core.state import Workspace

log = logging.getLogger(__name__)


def facts_of(
    workspace: Workspace, model: str, policy: RetrainingPolicy, *, now: datetime, counts: bool | None = None
) -> ModelFacts:
    """Gather what is known of a model.

    Args:
        workspace: The workspace.
        model: The model.
        policy: Its rules, for the rows that count.
        now: The present.
        counts: Whether labelled rows are counted, which reads them; by default where a trigger needs that.
    Raises:
        NotFoundError: There is no such model.
    """
    live = Registry(workspace).production(model)
    retrainings = Retrainings(workspace)
    of_model = [each for each in retrainings.all() if each.model == model]
    monitored = MonitoringStore(workspace).find(model)
    is_of_live = monitored is not None and live is not None and monitored.live.version == live.version
    n_samples, n_new, uncounted = None, None, ""
    if live is not None and (policy.min_new_samples is not None if counts is None else counts):
        n_samples, n_new, uncounted = _counted(workspace, live, policy, of_model, now)
    active = RolloutRecords(workspace).active(model)
    return ModelFacts(
        model=model,
        live="" if live is None else live.version,
        registered_at=None if live is None else live.created_at,
        monitoring=monitored.live if monitored is not None and is_of_live else None,
        memory=retrainings.memory(model),
        active=next((each for each in of_model if each.is_active), None),
        started_at=tuple(each.created_at for each in of_model),
        n_samples=n_samples,
        n_new=n_new,
        uncounted=uncounted,
        rollout="" if active is None else active.rollout_id,
    )


def _counted(
    workspace: Workspace,
    live: ModelVersion,
    policy: RetrainingPolicy,
    of_model: Sequence[Retraining],
    now: datetime,
) -> tuple[int | None, int | None, str]:
    """Count the labelled rows in the window, and of them those since the last training; say why they cannot be."""
    from core.retraining.counting import count_rows

    since = max((live.created_at, *(each.as_of for each in of_model)))
    try:
        return *count_rows(workspace, live, policy, as_of=now, since=since), ""
    except CoreError as error:
        log.warning("the rows for a retraining of %s cannot be counted: %s", live.model, error)
        return None, None, str(error)


def known_models(workspace: Workspace) -> list[str]:
    """Name the models with a live version that answers rows."""
    found = []
    registry = Registry(workspace)
    for model in registry.models():
        with suppress(ModelNotFoundError):
            live = registry.production(model.model)
            if live is not None and not is_language_model(live):
                found.append(model.model)
    return found
