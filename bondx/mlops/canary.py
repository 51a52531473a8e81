"""`CanaryDeploymentManager`: a candidate beside the live version, request by request, by the id of the request."""

import threading
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import core.api
from core.api import MLOpsConfig
from core.api.arguments import checked
from core.errors import NotFoundError, UsageError
from core.escape import shown
from core.rollout import Rollout, Route

MAX_PENDING = 100_000  # routed requests whose answer has not been recorded; the oldest are forgotten first


@dataclass(frozen=True, slots=True)
class CanaryDeployment:
    """A canary; its text form is its id, and every method accepts either."""

    rollout: Rollout

    @property
    def deployment_id(self) -> str:
        """The id of the rollout."""
        return self.rollout.rollout_id

    @property
    def status(self) -> str:
        """The phase of the rollout."""
        return str(self.rollout.observed.phase)

    def __str__(self) -> str:
        return self.deployment_id


class CanaryDeploymentManager:
    """The canaries of one workspace, for programs that answer requests themselves.

    The engine (`bondx run`, or a console) judges what is recorded here, takes the steps, and rolls a bad candidate
    back. Safe to share between threads; `close` it, or use it in a `with` block.
    """

    def __init__(self, config: MLOpsConfig | None = None) -> None:
        """Open the manager; by default for the workspace that `MLOpsConfig.from_yaml()` finds."""
        self._config = config or MLOpsConfig.from_yaml()
        self._canaries = core.api.CanaryDeploymentManager(self._config)
        self._pending: OrderedDict[str, tuple[str, Route, Mapping[str, Any] | None]] = OrderedDict()
        self._lock = threading.Lock()

    @checked
    def create_canary_deployment(
        self,
        model_name: str,
        candidate_version: str,
        *,
        deployed_by: str | None = None,
        initial_traffic_percentage: float | None = None,
        reason: str = "",
    ) -> CanaryDeployment:
        """Start to move traffic from the Production version to a candidate in Staging.

        Args:
            model_name: The model.
            candidate_version: The candidate.
            deployed_by: The author; by default the account of this process.
            initial_traffic_percentage: The candidate's share of the traffic in the first step, 0.05 for 5 %; by
                default the policy's. A value above 1 is refused, since 5 could mean 5 % or 500 %.
            reason: Why, for the audit log.
        Raises:
            RolloutRefusedError: A rule or a gate forbids it.
            RolloutActiveError: A rollout of this model is under way.
            UsageError: The share is not between 0 and 1.
        """
        share = initial_traffic_percentage
        if share is not None and not 0 < share < 1:
            raise UsageError(
                f"initial_traffic_percentage is {shown(share)}; it must be a share between 0 and 1, such as 0.05."
            )
        with self._named(deployed_by) as canaries:
            return CanaryDeployment(
                canaries.create_canary_deployment(model_name, candidate_version, traffic=share, reason=reason)
            )

    def route_prediction(self, model_name: str, features: Mapping[str, Any] | None = None) -> tuple[bool, str]:
        """Decide which version answers a request.

        Args:
            model_name: The model.
            features: The features of the request, from which its slices are recorded. They do not affect the decision:
                traffic is split at random, so that the comparison of both versions is fair.
        Returns:
            Whether the candidate answers, and the id of the request, under which its answer and its outcome are
            recorded.
        Raises:
            NotRoutedError: No version of this model is in Production.
        """
        request_id = uuid.uuid4().hex
        route = self._canaries.route_prediction(model_name, request_id)
        with self._lock:
            self._pending[request_id] = (model_name, route, features)
            while len(self._pending) > MAX_PENDING:
                self._pending.popitem(last=False)
        return route.arm == "candidate", request_id

    @checked
    def version_for(self, request_id: str) -> str:
        """Return the version that answers a routed request.

        Raises:
            NotFoundError: The request was not routed here, or its answer has been recorded.
        """
        return self._routed(request_id)[1].version

    @checked
    def record_prediction(
        self,
        request_id: str,
        *,
        latency_ms: float,
        value: float | str | Mapping[str, float] | None = None,
        error: bool = False,
    ) -> bool:
        """Record the result of a routed request, by which the candidate is judged. Never waits for the disk.

        Returns:
            Whether the result was accepted; under back-pressure it is dropped and counted.
        Raises:
            NotFoundError: The request was not routed here, or its answer has been recorded.
        """
        model_name, route, features = self._routed(request_id)
        taken = self._canaries.record_prediction(
            model_name,
            route,
            request_id,
            latency_ms=latency_ms,
            value=value,
            error=error,
            sticky=False,
            row=features,
        )
        if taken:
            with self._lock:
                self._pending.pop(request_id, None)
        return taken

    def record_outcome(self, request_id: str, *, actual: float | str | None = None, loss: float | None = None) -> bool:
        """Record the outcome of a request, once it is known: the actual value, the class that came, or your own loss.

        Raises:
            OutcomeError: It is no finite number within the limit, or not a class of the version that answered.
        """
        return self._canaries.record_outcome(request_id, actual=actual, loss=loss)

    @checked
    def promote_canary(
        self, deployment_id: str | CanaryDeployment, by: str | None = None, *, reason: str = ""
    ) -> CanaryDeployment:
        """Request that the candidate go live without waiting for evidence; gates and evidence of harm still refuse."""
        with self._named(by) as canaries:
            return CanaryDeployment(canaries.promote_canary(str(deployment_id), reason=reason))

    @checked
    def rollback_canary(
        self, deployment_id: str | CanaryDeployment, by: str | None = None, *, reason: str = ""
    ) -> CanaryDeployment:
        """Return all traffic to the stable version immediately."""
        with self._named(by) as canaries:
            return CanaryDeployment(canaries.rollback_canary(str(deployment_id), reason=reason))

    @checked
    def get_deployment(self, deployment_id: str | CanaryDeployment) -> CanaryDeployment:
        """Return one canary, with the engine's observations."""
        return CanaryDeployment(self._canaries.get_deployment(str(deployment_id)))

    @checked
    def list_deployments(self, *, active: bool = False) -> list[CanaryDeployment]:
        """Return all canaries, oldest first, or only active canaries."""
        return [CanaryDeployment(rollout) for rollout in self._canaries.list_deployments(active=active)]

    def close(self) -> None:
        """Store all queued results."""
        self._canaries.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _routed(self, request_id: str) -> tuple[str, Route, Mapping[str, Any] | None]:
        with self._lock:
            found = self._pending.get(request_id)
        if found is None:
            raise NotFoundError(f"Request {shown(request_id)} was not routed here, or its answer is already recorded.")
        return found

    def _named(self, name: str | None) -> core.api.CanaryDeploymentManager:
        """Open the canaries in a person's name."""
        return core.api.CanaryDeploymentManager(self._config.in_the_name_of(name) if name else self._config)
