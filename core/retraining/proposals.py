"""Propose challengers that are shown to be better than the live version for long enough: an alert each."""

from datetime import datetime

from core.alerts import Alerts
from core.errors import CoreError
from core.retraining.leaderboard import LeaderboardEntry, leaderboard
from core.rollout import Rollouts
from core.state import Workspace

RULE = "challenger_better"


class Proposals:
    """Raises the alert of each proposed challenger, and clears it once it is proposed no more."""

    def __init__(self, workspace: Workspace, alerts: Alerts) -> None:
        self._workspace = workspace
        self._alerts = alerts

    def look(self, now: datetime) -> list[LeaderboardEntry]:
        """Propose what is due; a model that cannot be judged keeps its alerts.

        Args:
            now: The present.
        Returns:
            The proposed challengers.
        """
        proposed: list[LeaderboardEntry] = []
        unjudged: set[str] = set()
        for model in sorted(self._compared()):
            try:
                proposed += [each for each in leaderboard(self._workspace, model, now=now) if each.is_proposed]
            except CoreError:  # such as a policy that cannot be used, of which the engine has an alert
                unjudged.add(model)
        open_now = {
            (alert.labels["model"], alert.labels["version"]) for alert in self._alerts.open() if alert.rule == RULE
        }
        wanted = {(each.model, each.version): each for each in proposed}
        for (model, version), standing in wanted.items():
            if (model, version) not in open_now:
                summary = f"{model} {version} is better than the live version: {standing.reason}"
                self._alerts.fire(RULE, labels={"model": model, "version": version}, summary=summary, now=now)
        for model, version in open_now - wanted.keys():
            if model not in unjudged:
                labels = {"model": model, "version": version}
                self._alerts.clear(RULE, labels=labels, now=now, reason=f"{version} is proposed no more")
        return proposed

    def _compared(self) -> set[str]:
        """Name the models that a rollout compared without going live by itself; most workspaces have none."""
        return {
            rollout.model
            for rollout in Rollouts(self._workspace).in_brief()
            if rollout.is_undecided or not rollout.strategy.promotes
        }
