"""Serving on other hosts: replicas that follow the control API of a workspace.

offer.py      what the workspace offers them: models, versions, rollouts, tokens, and the files of versions
download.py   the files of a version, in parts that may come over several days, each byte checked
standing.py   what a replica knows of its control plane across restarts
contacts.py   which replicas follow this workspace, and since when one lacks a change
mirror.py     what was followed, written into the replica's own workspace
follower.py   the loop: ask, fetch, apply, send, and for how long to serve on alone; ask there, as it imports the client
outbox.py     what waits to be sent back; sent_records.py is its form
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.replication.errors import NotReplicaError, UntrustedVersionError
    from core.replication.offer import (
        FILE_BYTES,
        OfferedFile,
        ReplicaState,
        file_of_version,
        offer_tag,
        offered_state,
    )

__all__ = [
    "FILE_BYTES",
    "NotReplicaError",
    "OfferedFile",
    "ReplicaState",
    "UntrustedVersionError",
    "file_of_version",
    "offer_tag",
    "offered_state",
]

# A name is imported when it is first read: who asks for the contacts of replicas needs neither rollouts nor numpy.
_HOMES = {
    "FILE_BYTES": "core.replication.offer",
    "NotReplicaError": "core.replication.errors",
    "OfferedFile": "core.replication.offer",
    "ReplicaState": "core.replication.offer",
    "UntrustedVersionError": "core.replication.errors",
    "file_of_version": "core.replication.offer",
    "offer_tag": "core.replication.offer",
    "offered_state": "core.replication.offer",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
