"""`CanaryDeploymentManager`: moving traffic to a candidate, for programs that answer requests themselves.

The engine (`bondx run`, or a console) judges the predictions recorded here, takes the steps, and rolls back a bad
candidate.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from core.api.answers import RecordedAnswers
from core.api.arguments import checked
from core.api.config import MLOpsConfig
from core.clock import utc_now
from core.errors import NotFoundError
from core.losses import RecordedAnswer
from core.monitoring.data_profile import ProfileError
from core.monitoring.performance.recorded_slices import RecordedColumn, code_of_row, recorded_columns
from core.registry import Registry
from core.registry.errors import ChangedFileError
from core.rollout import Rollout, RolloutProposal, Rollouts, Route, Router, routing_tables
from core.rollout.later_denied import all_as_shown, as_shown
from core.rollout.slices import code_of
from core.settings import settings_in_force
from core.state.brief import whole
from core.telemetry.predictions import (
    PredictionReader,
    PredictionRecord,
    PredictionWriter,
    check_against,
    checked_outcome,
)
from core.training.version_profile import profile_of_version

_MAX_RECENT = 100_000


class CanaryDeploymentManager:
    """The canaries of one workspace. Safe to share between threads; `close` it, or use it in a `with` block."""

    def __init__(self, config: MLOpsConfig | None = None) -> None:
        """Open the canaries; by default of the workspace that `MLOpsConfig.from_yaml()` finds."""
        self._config = config or MLOpsConfig.from_yaml()
        workspace = self._config.workspace
        self._rollouts = Rollouts(workspace, policy=self._config.source)
        self._router = Router()
        self._routed: object = None  # the registry state behind the router's tables
        self._lock = threading.Lock()
        self._writer: PredictionWriter | None = None
        self._reader = PredictionReader(workspace.predictions_file)
        self._forms = RecordedAnswers(workspace)
        self._columns: dict[tuple[str, str], tuple[RecordedColumn, ...]] = {}
        self._recent: OrderedDict[str, RecordedAnswer] = OrderedDict()  # answers that may not be stored yet
        settings = settings_in_force(workspace.root)
        self._outcome_limit = settings.serving.outcome_limit
        self._retention = settings.telemetry.predictions

    @checked
    def plan_canary_deployment(self, model: str, version: str, *, traffic: float | None = None) -> RolloutProposal:
        """Say what a canary would do, gate by gate and step by step. Changes nothing."""
        return self._rollouts.plan(model, version, share=traffic, actor=self._config.actor)

    @checked
    def create_canary_deployment(
        self, model: str, version: str, *, traffic: float | None = None, reason: str = ""
    ) -> Rollout:
        """Start to move traffic from the version in Production to a candidate in Staging.

        Args:
            model: The model.
            version: The candidate.
            traffic: Its share in the first step; by default the policy's.
            reason: Why, for the audit log.
        Raises:
            RolloutRefusedError: A rule or a gate forbids it.
            RolloutActiveError: A rollout of this model is active.
        """
        proposal = self.plan_canary_deployment(model, version, traffic=traffic)
        return self._rollouts.start(proposal, actor=self._config.actor, reason=reason)

    @checked
    def route_prediction(self, model: str, key: str) -> Route:
        """Say which version answers a request: the same for the same key for as long as a rollout lasts.

        Args:
            model: The model asked.
            key: The sticky key of the decision: a caller's id, or else the request's own.
        Raises:
            NotRoutedError: No version of this model is in Production.
        """
        self._look_up()
        return self._router.route(model, key)

    @checked
    def record_prediction(
        self,
        model: str,
        route: Route,
        request_id: str,
        *,
        latency_ms: float,
        value: float | str | Mapping[str, float] | None = None,
        error: bool = False,
        sticky: bool = True,
        row: Mapping[str, object] | None = None,
    ) -> bool:
        """Record the outcome of a routed request, by which the candidate is judged. Never waits for a disk.

        Args:
            model: The model asked.
            route: The result of `route_prediction`.
            request_id: The id under which its outcome will be reported.
            latency_ms: How long the answer took.
            value: The prediction: a number, the name of a class, or the probability of each class by its name. For a
                version that gives the probability of the second of two classes, the number is that probability.
            error: Whether the model failed; a request refused because of its content is not an error.
            sticky: Whether the key was a caller's, whose requests are one observation, or the request's own.
            row: The values of the request by column, from which its slices are found.
        Returns:
            Whether it was accepted; under back-pressure it is dropped and counted.
        Raises:
            UsageError: The value is none of these.
        """
        recorded = self._forms.recorded(model, route.version, value)
        prediction = PredictionRecord(
            request_id=request_id,
            at=utc_now(),
            model=model,
            version=route.version,
            latency_ms=latency_ms,
            error=error,
            value=recorded.value,
            rollout_id=route.rollout_id,
            arm=route.arm,
            share=route.share,
            unit=route.unit if sticky else None,
            form=recorded.form,
            detail=recorded.detail,
            slices=self._slices_of(model, route, row),
        )
        taken = self._predictions().add(prediction)
        if taken and not error:
            with self._lock:
                self._recent[request_id] = recorded
                while len(self._recent) > _MAX_RECENT:
                    self._recent.popitem(last=False)
        return taken

    def _slices_of(self, model: str, route: Route, row: Mapping[str, object] | None) -> int | None:
        if row is None:
            return None
        table = self._router.tables.get(model)
        code = code_of_row(self._columns_of(model, route.version), row)
        if table is not None and table.slices and table.rollout_id == route.rollout_id:
            return code | code_of(table.slices, row)
        return code or None

    def _columns_of(self, model: str, version: str) -> tuple[RecordedColumn, ...]:
        """Return the slice columns of a version, none for a version without a profile."""
        with self._lock:
            if (model, version) not in self._columns:
                try:
                    profile = profile_of_version(Registry(self._config.workspace), model, version)
                    self._columns[model, version] = recorded_columns(profile)
                except (ProfileError, ChangedFileError, NotFoundError):
                    self._columns[model, version] = ()
            return self._columns[model, version]

    def record_outcome(self, request_id: str, *, actual: float | str | None = None, loss: float | None = None) -> bool:
        """Report what came of a prediction; the loss of the rollout is computed from it.

        Args:
            request_id: The id of the prediction. An outcome may come before its prediction is recorded; it waits.
            actual: The actual value, or the class that came, by its name or number.
            loss: The loss, if you compute it yourself; `actual` is then not compared.
        Returns:
            Whether it was accepted; under back-pressure it is dropped and counted.
        Raises:
            OutcomeError: It is no finite number within the limit, or not a class of the version that answered.
        """
        outcome = checked_outcome(request_id, utc_now(), actual=actual, loss=loss, limit=self._outcome_limit)
        with self._lock:
            answer = self._recent.get(request_id)
        known = {request_id: answer} if answer is not None else self._reader.answers([request_id])
        check_against(outcome, known)
        return self._predictions().add_outcome(outcome)

    @checked
    def promote_canary(self, rollout_id: str, *, reason: str = "", override: str = "") -> Rollout:
        """Ask for the candidate to go live without waiting for proof; gates and proven harm still refuse.

        Args:
            rollout_id: The rollout, or the model's name for its active rollout.
            reason: Why, for the audit log.
            override: Why it goes live although an earlier rollout rolled it back.
        Raises:
            NotFoundError: There is neither.
            RefusedError: An earlier rollout rolled the candidate back, and `override` is empty.
        """
        asked = self._rollouts.promote_now(rollout_id, actor=self._config.actor, reason=reason, override=override)
        return as_shown(self._config.workspace, asked)

    @checked
    def rollback_canary(self, rollout_id: str, *, reason: str = "") -> Rollout:
        """Return all traffic to the stable version immediately; names the rollout as `promote_canary` does."""
        aborted = self._rollouts.abort(rollout_id, actor=self._config.actor, reason=reason)
        return as_shown(self._config.workspace, aborted)

    @checked
    def get_deployment(self, rollout_id: str) -> Rollout:
        """Return one rollout, with what the engine has observed."""
        return as_shown(self._config.workspace, self._rollouts.get(rollout_id))

    @checked
    def list_deployments(self, *, active: bool = False) -> list[Rollout]:
        """Return every rollout, oldest first, or only the active ones."""
        found = (rollout for rollout in self._rollouts.in_brief() if rollout.is_active or not active)
        return all_as_shown(self._config.workspace, [whole(rollout) for rollout in found])

    def close(self) -> None:
        """Flush the buffered predictions."""
        with self._lock:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _look_up(self) -> None:
        """Load new routing tables when the registry's file, which also holds rollouts, has changed."""
        found = self._config.workspace.database("registry").signature()
        if found != self._routed:
            with self._lock:
                self._router.update(routing_tables(self._config.workspace))
                self._columns.clear()  # a profile may have been made
                self._routed = found

    def _predictions(self) -> PredictionWriter:
        with self._lock:
            if self._writer is None:
                self._writer = PredictionWriter(
                    self._config.workspace.predictions_file,
                    retention=self._retention,
                    held_since=self._rollouts.needed_since,
                )
            return self._writer
