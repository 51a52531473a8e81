"""Alerts on live versions that cannot be loaded: fired by the loader, and cleared once they are served or not live."""

import logging
from collections.abc import Callable

from core.alerts import Alerts
from core.clock import Clock
from core.errors import CoreError
from core.serving.table import ServingTable, VersionKey
from core.state import Workspace
from core.state.write_health import is_read_only

log = logging.getLogger(__name__)

RULE = "live_version_unserved"


class UnservedAlerts:
    """Keeps one alert for each live version of a table that cannot be loaded."""

    def __init__(self, workspace: Workspace, clock: Clock, is_mine: Callable[[str], bool] = lambda _: True) -> None:
        """Prepare.

        Args:
            workspace: The workspace.
            clock: The time.
            is_mine: Whether this server answers for a model: the alerts of others are left alone.
        """
        self._alerts = Alerts(workspace)
        self._is_on = not is_read_only(workspace.root)  # else a server says once that it raises none
        self._clock = clock
        self._is_mine = is_mine
        self._told: dict[VersionKey, str] | None = None  # versions with an alert, and why; None: not read yet

    def update(self, table: ServingTable) -> None:
        """Fire an alert for each live version that cannot be loaded, and clear it once it is loaded or not live.

        A failure to do so is logged and tried again at the next update: a server answers without alerts, too.
        """
        if not self._is_on:
            return
        unserved = {
            (served.model, served.live): served.failures[served.live]
            for served in table.models.values()
            if served.live is not None
            and served.live in served.failures
            and not served.is_kept_as_files
            and not served.is_pinned  # the list's choice, not the registry's
        }
        try:
            told = self._open() if self._told is None else self._told
            for key, why in unserved.items():
                if told.get(key) != why:
                    self._alerts.fire(RULE, labels=_labels(key), summary=f"{key[0]} {key[1]}: {why}", now=self._clock())
            if not table.is_complete:  # a version that is not loaded yet may still fail
                unserved = told | unserved
            for key in told.keys() - unserved.keys():
                self._alerts.clear(
                    RULE, labels=_labels(key), now=self._clock(), reason="it is served, or no longer live"
                )
            self._told = unserved
        except (CoreError, OSError) as error:
            log.error("could not update the alerts on live versions: %s", error)

    def _open(self) -> dict[VersionKey, str]:
        """Return the versions with an open alert of an earlier server."""
        labels = [alert.labels for alert in self._alerts.open() if alert.rule == RULE]
        return {(of["model"], of["version"]): "" for of in labels if self._is_mine(of["model"])}


def _labels(key: VersionKey) -> dict[str, str]:
    return {"model": key[0], "version": key[1]}
