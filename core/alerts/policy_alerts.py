"""The alert on a policy that cannot be used: fired by every engine and server that reads it, cleared once it reads."""

import logging

from core.alerts.alerts import Alerts
from core.clock import Clock
from core.errors import CoreError
from core.settings import PolicySource
from core.state import Workspace

log = logging.getLogger(__name__)

RULE = "policy_unusable"


class PolicyAlerts:
    """Keeps the alert of one workspace; cheap to ask while the files stay as they are."""

    def __init__(self, workspace: Workspace, clock: Clock, alerts: Alerts | None = None) -> None:
        """Prepare.

        Args:
            workspace: The workspace.
            clock: The time.
            alerts: Its alerts.
        """
        self._alerts = alerts or Alerts(workspace)
        self._source = PolicySource(workspace.root)
        self._own_source = PolicySource.without_config(workspace.root)
        self._clock = clock
        self._told: str | None = None  # None: nothing is known yet, such as of an alert of an earlier process

    def update(self) -> None:
        """Fire the alert and log what is wrong, or clear it; a failure to do so is logged and tried again."""
        if (problem := self._problem()) == self._told:
            return
        try:
            if problem:
                log.error("the policy cannot be used; a running engine goes on with the last good one: %s", problem)
                self._alerts.fire(RULE, labels={}, summary=problem, now=self._clock())
            else:
                self._alerts.clear(RULE, labels={}, now=self._clock(), reason="the policy can be used")
            self._told = problem
        except (CoreError, OSError) as error:
            log.error("could not update the alert on the policy: %s", error)

    def _problem(self) -> str:
        # An engine goes on with an earlier policy, and still says so. The workspace's own counts beside a named one:
        # it decides about approvals, and no engine starts without it.
        problems = [source.to_return_by()[1] for source in (self._source, self._own_source)]
        return "; ".join(dict.fromkeys(str(problem) for problem in problems if problem is not None))
