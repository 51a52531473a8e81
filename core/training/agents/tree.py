"""Sessions as a tree: the agents of a session below it. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from core.training.session import Session


class TreePlace(NamedTuple):
    """A session, and how deep in the tree it stands: 1 for an agent."""

    session: Session
    depth: int


def in_tree(sessions: Iterable[Session]) -> list[TreePlace]:
    """Order sessions so that each is followed by its agents, which keep the order of the settings.

    Args:
        sessions: In any order, which those that are no agents keep; an agent without its parent counts as one of them.
    """
    every = {session.session_id: session for session in sessions}
    places: list[TreePlace] = []
    for session in every.values():
        if session.parent in every:
            continue
        places.append(TreePlace(session, 0))
        places += [TreePlace(every[child], 1) for child in session.children if child in every]
    return places
