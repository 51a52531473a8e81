"""What a replica knows of its control plane across restarts."""

from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from core.clock import in_words
from core.files import make_folder, write_file
from core.json_documents import decode_json
from core.plain_files import read_file
from core.settings.following import FollowSettings

FOLDER = "replica"
"""What a replica keeps beside the state of its workspace."""
_FILE = "standing.json"
_LEAST_SILENCE = timedelta(minutes=2)  # contacts are stored once a minute
_MISSED = 3


class ReplicaStanding(msgspec.Struct, frozen=True, kw_only=True):
    """When the control plane answered last, and what it said."""

    url: str
    tag: str = ""  # of the state that was applied; empty: it must be asked for again
    contact_at: datetime | None = None  # None: it has never answered
    is_withdrawn: bool = False  # nothing is served, since it has not answered for too long
    is_refused: bool = False  # it answers, and does not admit the token of this replica


def silence_limit(every_seconds: float) -> timedelta:
    """Return how old a contact may be before the other side counts as silent: three requests and two minutes.

    >>> str(silence_limit(5.0))
    '0:02:15'
    """
    return _LEAST_SILENCE + _MISSED * timedelta(seconds=every_seconds)


def standing_file(root: Path) -> Path:
    """Return where a replica keeps its standing.

    Args:
        root: The folder of its workspace.
    """
    return root / FOLDER / _FILE


def silence_of(standing: ReplicaStanding | None, settings: FollowSettings, now: datetime) -> str | None:
    """Say that the control plane of a replica does not answer, and until when the replica serves; None while it does.

    Args:
        standing: What is known of it; None if nothing is.
        settings: What the replica follows.
        now: The time.
    """
    is_refused = standing is not None and standing.is_refused
    what = f"has refused the token of {settings.token_key}" if is_refused else "has not answered"
    until_when = "it admits one" if is_refused else "it answers"
    if standing is None or standing.contact_at is None:
        never = what if is_refused else "has never answered"
        return f"{settings.url} {never}: the log of the server says why (bondx logs)"
    what = f"{settings.url} {what} since {in_words(standing.contact_at)}"
    if standing.is_withdrawn:
        return f"{what}, longer than serving.follow.serve_on_hours: nothing is served until {until_when}"
    if not is_refused and now - standing.contact_at <= silence_limit(settings.every_seconds):
        return None
    limit = settings.serve_on_hours
    until = "" if limit is None else f" until {in_words(standing.contact_at + timedelta(hours=limit))}"
    return f"{what}; serving on{until or ' without it'}"


def why_nothing_is_served(standing: ReplicaStanding | None) -> str | None:
    """Say to a caller why a replica serves nothing, without the address of its control plane; None if it may serve.

    Args:
        standing: What is known of the control plane; None if nothing is.

    >>> why_nothing_is_served(None)
    'This replica serves nothing yet: its desk has never answered.'
    """
    if standing is None or standing.contact_at is None:
        return "This replica serves nothing yet: its desk has never answered."
    if not standing.is_withdrawn:
        return None
    what = "refused it" if standing.is_refused else "not answered"
    return f"This replica serves nothing: its desk has {what} since {in_words(standing.contact_at)}."


def read_standing(file: Path) -> ReplicaStanding | None:
    """Return what was stored; None if nothing was, or it cannot be read: then everything is asked for again."""
    try:
        return decode_json(read_file(file), ReplicaStanding)
    except (OSError, msgspec.DecodeError):
        return None


def store_standing(file: Path, standing: ReplicaStanding) -> None:
    """Store it.

    Raises:
        FileAccessError: It cannot be written.
    """
    make_folder(file.parent)
    write_file(file, msgspec.json.encode(standing))
