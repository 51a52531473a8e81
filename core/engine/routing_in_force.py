"""The routing file as it is now: read again once it changes; while it cannot be used, the last good one holds."""

import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from core.alerts.alert import Alert
from core.alerts.routing.config import RoutingConfig
from core.alerts.routing.dispatcher import Dispatcher, Notification
from core.alerts.routing.reading import load_routing, routing_file
from core.alerts.routing.signatures import routing_signature
from core.alerts.silences import Silences
from core.engine.context import EngineContext
from core.engine.followed_routing import FollowedRouting
from core.errors import CoreError
from core.plain_files import signatures_of
from core.settings import SettingsError

log = logging.getLogger(__name__)

RULE = "routing_unusable"


class RoutingInForce:
    """Who is told, by the file that the settings name; `core.alerts.delivery.receivers.RoutingSource`."""

    def __init__(self, context: EngineContext) -> None:
        """Prepare; the file is read on first use.

        Args:
            context: The engine's own instances.
        """
        self._context = context
        self._silences = Silences(context.workspace, clock=context.clock)
        self._config: RoutingConfig | None = None
        self._dispatcher: Dispatcher | None = None
        self._file = routing_file(context.workspace.root, context.settings.alerts.routing)
        self._faulty: Path | None = None
        self._record = FollowedRouting(context.workspace, context.clock)
        self._read_from: object = None
        self._is_recorded = False
        self._logged = ""
        self._told: str | None = None  # None: nothing is known yet, such as of an alert of an earlier engine

    @property
    def config(self) -> RoutingConfig | None:
        """The last configuration that could be used; None without one."""
        self._refresh()
        return self._config

    def dispatch(self, alerts: Sequence[Alert], now: datetime) -> tuple[Sequence[Notification], datetime | None]:
        """Decide on the notifications that are due; arguments as in the protocol."""
        config = self._config  # as of the step: the property reads it again, outside the transaction
        if config is None:
            return (), None
        if self._dispatcher is None or self._dispatcher.config is not config:
            self._dispatcher = Dispatcher(self._context.workspace, config)
        return self._dispatcher.dispatch(alerts, self._silences.all(), now)

    def _refresh(self) -> None:
        """Read what has changed, and fire or clear the alert on a file that cannot be used."""
        root = self._context.workspace.root
        self._file = routing_file(root, self._context.current.read().alerts.routing)
        signature = self._signature()
        if signature == self._read_from and self._told == "":  # of a faulty file, a mend may be in another
            self._is_recorded = self._is_recorded or self._recorded()
            return
        problem, self._faulty = "", None
        try:
            self._config = None if self._file is None else load_routing(self._file)
            self._is_recorded = self._recorded()
        except SettingsError as error:
            self._faulty = error.file  # perhaps a file of templates
            self._config = self._record.without(self._config)
            told = str(error).replace(f"{root}/", "")  # the place is what counts on a narrow screen
            problem = f"Routing unusable, {self._kept()}: {told}"
        self._read_from = signature if signature == self._signature() else None  # changed meanwhile: read again
        self._tell(problem)

    def _recorded(self) -> bool:
        """Record what is followed; return whether that worked."""
        return self._record.forget() if self._config is None else self._record.follow(self._config)

    def _kept(self) -> str:
        """Say who is told while the file cannot be used."""
        if self._config is None:
            return "nobody but the consoles is told"
        if unreachable := self._record.unreachable:
            return (
                f"the last good one holds without {', '.join(unreachable)}, whose secret or address stood in the file"
            )
        return "the last good one holds"

    def _signature(self) -> tuple[object, ...]:
        """Return what changes when a file changes on which the routing depends."""
        templates = self._config.templates if self._config is not None else ()
        faulty = signatures_of([] if self._faulty is None else [self._faulty])
        return faulty + routing_signature(self._file, templates)

    def _tell(self, problem: str) -> None:
        if problem == self._told:
            return
        alerts, now = self._context.alerts, self._context.clock()
        try:
            if problem:
                if problem != self._logged:
                    log.error("the routing file cannot be used: %s", problem)
                    self._logged = problem
                alerts.fire(RULE, labels={}, summary=problem, now=now)
            else:
                alerts.clear(RULE, labels={}, now=now, reason="the routing file can be used")
                self._logged = ""
            self._told = problem
        except (CoreError, OSError) as error:
            log.error("could not update the alert on the routing file: %s", error)
            self._told = None  # at the next step again
