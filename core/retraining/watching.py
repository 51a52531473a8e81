"""Start retrainings whose triggers are due."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from core.actor import Actor
from core.errors import CoreError
from core.retraining.document import Retraining, RetrainingMemory
from core.retraining.facts import facts_of
from core.retraining.retrainings import RetrainingActiveError, Retrainings
from core.retraining.triggers import WRONG_CLOCK, RetrainingPlan, judge, schedule_key
from core.settings.retraining import RetrainingPolicy
from core.state import Workspace

log = logging.getLogger(__name__)

COUNT_EVERY = timedelta(minutes=5)
"""How often the rows of a model may be counted, which reads them all."""


class TriggerWatch:
    """Looks at the triggers of models, and starts the retrainings that are due."""

    def __init__(
        self,
        workspace: Workspace,
        rules: Callable[[], Mapping[str, RetrainingPolicy]],
        *,
        retrainings: Retrainings,
        actor: Actor,
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            workspace: The workspace.
            rules: Returns the rules of each model to look at, read again at each look.
            retrainings: The retrainings of the workspace.
            actor: In whose name they are started.
        """
        self._workspace = workspace
        self._rules = rules
        self._retrainings = retrainings
        self._actor = actor
        self._counted_at: dict[str, datetime] = {}

    def look(self, now: datetime) -> list[Retraining]:
        """Start what is due; what cannot be judged is logged, and looked at again."""
        started = []
        for model, rules in self._rules().items():
            if not rules.enabled:
                continue
            try:
                found = self._look_at(model, rules, now)
            except RetrainingActiveError:  # a person was faster
                continue
            except CoreError as error:
                log.warning("the triggers of %s cannot be judged: %s", model, error)
                continue
            if found is not None:
                started.append(found)
        return started

    def _look_at(self, model: str, rules: RetrainingPolicy, now: datetime) -> Retraining | None:
        self._watch_schedule(model, rules, now)
        plan = self._plan(model, rules, now, counts=rules.min_new_samples is not None and self._may_count(model, now))
        if plan.starts and plan.n_samples is None and rules.source.kind in ("served", "files"):
            if not self._may_count(model, now):
                return None
            plan = self._plan(model, rules, now, counts=True)
        if not plan.starts or plan.kind is None:
            return None
        memory = None
        if rules.schedule is not None:
            memory = RetrainingMemory(model=model, schedule=schedule_key(rules), handled_until=now)
        return self._retrainings.start(model, plan.kind, plan.cause, actor=self._actor, policy=rules, memory=memory)

    def _plan(self, model: str, rules: RetrainingPolicy, now: datetime, *, counts: bool) -> RetrainingPlan:
        return judge(rules, facts_of(self._workspace, model, rules, now=now, counts=counts), now)

    def _may_count(self, model: str, now: datetime) -> bool:
        before = self._counted_at.get(model)
        if before is not None and timedelta(0) <= now - before < COUNT_EVERY:
            return False
        self._counted_at[model] = now
        return True

    def _watch_schedule(self, model: str, rules: RetrainingPolicy, now: datetime) -> None:
        """Begin to watch a schedule that is new, or was handled by a clock that was wrong."""
        if rules.schedule is None:
            return
        memory, key = self._retrainings.memory(model), schedule_key(rules)
        handled = memory.handled_until
        if memory.schedule == key and handled is not None and handled - now < WRONG_CLOCK:
            return
        self._retrainings.remember(RetrainingMemory(model=model, schedule=key, handled_until=now), actor=self._actor)
