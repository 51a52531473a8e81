"""Which replicas follow a workspace: when each was heard of last, and since when it has not taken a change.

Each is known by the token that it shows and its host, so that revoking the token ends its line here, too.
"""

import logging
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from core.access import DATABASE as ACCESS
from core.access import PrincipalKind, Token, principal_of
from core.actor import Actor
from core.errors import CoreError
from core.replication.standing import silence_limit
from core.settings.following import EVERY_SECONDS, MOST_SECONDS
from core.state import Documents, Workspace
from core.typed_numbers import decimal_number

log = logging.getLogger(__name__)

DATABASE = "replicas"
HOST_HEADER, EVERY_HEADER = "x-bondx-replica", "x-bondx-replica-seconds"
"""By which a replica says that it is one: the name of its host, and how often it asks; 0: it is stopped."""
WRITTEN_EVERY = timedelta(minutes=1)
_HOST = re.compile(r"[A-Za-z0-9._-]{1,255}")
KEPT = timedelta(days=7)
"""How long a replica that asks no more is listed."""
_MOST = 1000


class ReplicaPhase(StrEnum):
    """How a replica stands to the workspace that it follows."""

    CURRENT = "current"
    BEHIND = "behind"
    SILENT = "silent"


class ReplicaContact(msgspec.Struct, frozen=True, kw_only=True):
    """The last contact with one replica, to the minute."""

    key: str
    principal: str
    name: str  # of its token
    host: str
    every_seconds: float
    contact_at: datetime
    behind_since: datetime | None = None  # None: it had every change when it asked last
    revision: int = 0

    @property
    def limit(self) -> timedelta:
        """How old the last contact may be before the replica counts as silent."""
        return silence_limit(self.every_seconds)

    def phase(self, now: datetime) -> ReplicaPhase:
        """Return how it stands now."""
        if now - self.contact_at > self.limit:
            return ReplicaPhase.SILENT
        return ReplicaPhase.CURRENT if self.behind_since is None else ReplicaPhase.BEHIND

    def since(self, now: datetime) -> datetime | None:
        """Return since when it stands so; None while it is current."""
        return self.contact_at if self.phase(now) is ReplicaPhase.SILENT else self.behind_since


def host_headers(host: str, every_seconds: float) -> dict[str, str]:
    """Return the headers by which a replica says that it is one.

    >>> host_headers("edge 1", 5.0)
    {'x-bondx-replica': 'edge-1', 'x-bondx-replica-seconds': '5'}
    """
    name = re.sub(r"[^A-Za-z0-9._-]", "-", host)[:255]
    return {HOST_HEADER: name or "-", EVERY_HEADER: f"{every_seconds:g}"}


def note_contact(
    workspace: Workspace, actor: Actor, headers: Mapping[str, str], now: datetime, *, has_all: bool | None = None
) -> None:
    """Note a request of a replica: at most once a minute, and whenever it falls behind or has caught up.

    Nothing is noted of a caller that does not say that it is a replica, or where nothing can be written.

    Args:
        workspace: The workspace that is followed.
        actor: Who asks.
        headers: Of the request.
        now: The time.
        has_all: Whether it has every change; None if the request does not show it.
    """
    host = headers.get(HOST_HEADER, "")
    if _HOST.fullmatch(host) is None:
        return
    principal = str(principal_of(actor))
    asked = ReplicaContact(
        key=f"{principal} {host}",
        principal=principal,
        name=actor.via if actor.token_id else principal,
        host=host,
        every_seconds=_seconds(headers.get(EVERY_HEADER, "")),
        contact_at=now,
    )
    try:
        documents = _documents(workspace)
        if asked.every_seconds == 0:
            with workspace.database(DATABASE).transaction():
                documents.remove_all([asked.key] if documents.find(asked.key) else [])
            return
        if _next(documents.find(asked.key), asked, has_all) is None:
            return
        with workspace.database(DATABASE).transaction():
            before = documents.find(asked.key)
            after = _next(before, asked, has_all)
            if after is None:
                return
            if before is not None:
                documents.replace(after)
                return
            documents.remove_all([each.key for each in documents.all() if now - each.contact_at >= KEPT])
            if len(documents.all()) < _MOST:
                documents.insert(after)
    except (CoreError, OSError) as error:  # `bondx_workspace_writable` says so; a replica is answered all the same
        log.debug("the contact of %s could not be written: %s", principal, error)


def replica_contacts(workspace: Workspace, now: datetime) -> list[ReplicaContact]:
    """Return the replicas that follow a workspace, by name: those heard of within a week whose token is valid.

    Args:
        workspace: The workspace that is followed.
        now: The time.
    Raises:
        StateError: A state file cannot be read.
    """
    found = _documents(workspace).all()
    if not found:
        return []
    tokens = workspace.database(ACCESS).documents("tokens", Token, "token_id").all()
    valid = {f"{PrincipalKind.TOKEN}:{token.token_id}" for token in tokens if token.is_valid(now)}
    return sorted(
        (
            each
            for each in found
            if now - each.contact_at < KEPT
            and (each.principal in valid or not each.principal.startswith(f"{PrincipalKind.TOKEN}:"))
        ),
        key=lambda each: (each.name, each.key),
    )


def _next(before: ReplicaContact | None, asked: ReplicaContact, has_all: bool | None) -> ReplicaContact | None:
    """Return what is to be written; None if the last contact says as much."""
    behind_since = None if before is None else before.behind_since
    if has_all is not None:
        behind_since = None if has_all else behind_since or asked.contact_at
    if before is None:
        return msgspec.structs.replace(asked, behind_since=behind_since)
    after = msgspec.structs.replace(asked, behind_since=behind_since, revision=before.revision)
    is_recent = asked.contact_at - before.contact_at < WRITTEN_EVERY
    return None if is_recent and msgspec.structs.replace(after, contact_at=before.contact_at) == before else after


def _seconds(text: str) -> float:
    try:
        return min(max(decimal_number(text), 0.0), MOST_SECONDS)
    except ValueError:
        return EVERY_SECONDS


def _documents(workspace: Workspace) -> Documents[ReplicaContact]:
    return workspace.database(DATABASE).documents("contacts", ReplicaContact, "key")
