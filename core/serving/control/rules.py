"""Alert rules over HTTP: the rules in force, and expressions over the recorded series."""

from datetime import datetime
from functools import partial

from litestar import Controller, get
from litestar.params import FromQuery

from core.alerts.evaluation.listing import EvaluatedSample, RuleLine, evaluate_by_hand, rule_lines
from core.alerts.evaluation.source import RecordedSource
from core.clock import utc_now
from core.metrics.known_names import known_metric_names
from core.serving.control.admission import LOOK, Given
from core.serving.control.evaluation_pool import EvaluationPool
from core.serving.control.instants import checked_instants
from core.settings import settings_in_force
from core.state import Workspace


class RuleRoutes(Controller):
    """Alert rules."""

    path = "/rules"
    tags = ["alerts"]

    @get("/", opt=LOOK, sync_to_thread=True)
    def list_rules(self, workspace: Given[Workspace]) -> list[RuleLine]:
        """List the rules in force with their state, their last evaluation and its error."""
        return rule_lines(workspace, settings_in_force(workspace.root).alerts)

    @get("/eval", opt=LOOK)
    async def evaluate(
        self,
        workspace: Given[Workspace],
        evaluation_pool: Given[EvaluationPool],
        expr: FromQuery[str],
        at: FromQuery[datetime | None] = None,
    ) -> list[EvaluatedSample]:
        """Evaluate a PromQL expression over the recorded series, now or at a past instant.

        While two others are evaluated, the answer is 503 with Retry-After. An evaluation may take 5 seconds.
        """
        checked_instants(at=at)

        def evaluated() -> list[EvaluatedSample]:
            source = RecordedSource(workspace)
            try:
                known = partial(known_metric_names, source)
                return evaluate_by_hand(source, expr, at or utc_now(), evaluation_pool.limits, known=known)
            finally:
                source.close()

        return await evaluation_pool.run(evaluated)
