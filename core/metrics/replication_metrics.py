"""The metrics of replicas: on a replica the age of the last answer, and on the desk how each replica stands."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from core.clock import Clock
from core.errors import CoreError
from core.metrics import catalogue
from core.replication.contacts import ReplicaContact, replica_contacts
from core.replication.standing import read_standing, silence_limit, standing_file
from core.settings import Settings

if TYPE_CHECKING:
    from core.state import Workspace

MOST_REPLICAS = 200


class ReplicationMetrics(Collector):
    """Who follows this workspace, and whom it follows."""

    def __init__(self, workspace: "Workspace", settings: Callable[[], Settings], clock: Clock) -> None:
        """Remember where to look.

        Args:
            workspace: The workspace.
            settings: Returns its settings.
            clock: The time.
        """
        self._workspace, self._settings, self._clock = workspace, settings, clock

    def collect(self) -> Iterable[Metric]:
        """Collect the metrics."""
        yield from self._followed()
        now = self._clock()
        age, limit, behind = (
            each.family()
            for each in (catalogue.REPLICA_SEEN_AGE, catalogue.REPLICA_SEEN_LIMIT, catalogue.REPLICA_BEHIND)
        )
        for contact in self._contacts()[:MOST_REPLICAS]:
            labels = (contact.name, contact.host, contact.principal)
            age.add_metric(labels, max(0.0, (now - contact.contact_at).total_seconds()))
            limit.add_metric(labels, contact.limit.total_seconds())
            since = contact.behind_since
            behind.add_metric(labels, 0.0 if since is None else max(0.0, (now - since).total_seconds()))
        yield from (age, limit, behind)

    def _followed(self) -> Iterable[Metric]:
        age, limit = catalogue.REPLICA_CONTACT_AGE.family(), catalogue.REPLICA_CONTACT_LIMIT.family()
        settings = self._settings().serving.follow
        if settings is not None:
            limit.add_metric((), silence_limit(settings.every_seconds).total_seconds())
            standing = read_standing(standing_file(self._workspace.root))
            if standing is not None and standing.contact_at is not None:
                age.add_metric((), max(0.0, (self._clock() - standing.contact_at).total_seconds()))
        yield from (age, limit)

    def _contacts(self) -> list[ReplicaContact]:
        try:
            return replica_contacts(self._workspace, self._clock())
        except (CoreError, OSError):  # `bondx_state_problems` says so
            return []
