"""A moment of the past in one sentence."""

from core.view.snapshot import Snapshot


def told(snapshot: Snapshot, *, begins: bool) -> str:
    """Say what had been changed last at a moment of the past.

    Args:
        snapshot: The workspace as it was.
        begins: Whether nothing earlier is recorded.
    """
    words = list(snapshot.problems)
    if snapshot.audit:
        newest = snapshot.audit[0]
        why = f": {newest.reason}" if newest.reason else ""
        words.append(f"{newest.at:%H:%M:%SZ}  {newest.actor.partition('@')[0]} {newest.verb} {newest.object}{why}")
    if begins:
        words.append("the recorded past begins here")
    return "; ".join(words)
