"""What keeps a server from following, or a version from being taken."""

from core.errors import RefusedError, UsageError


class NotReplicaError(UsageError):
    """The workspace cannot follow another: it has models of its own, or its settings cannot be used."""


class UntrustedVersionError(RefusedError):
    """The files of a version are not what the control plane says, or not signed by the key that counts."""
