"""Which agents train now: by priority, then by the processor time that each has had for its weight. Pure."""

from collections.abc import Collection, Sequence

from core.training.agents.agent import Agent
from core.training.session import Session


def chosen(
    agents: Sequence[Session], running: Collection[str], *, at_once: int, slice_seconds: float
) -> tuple[str, ...]:
    """Choose the agents that train now; the same states give the same choice.

    Agents of a higher priority come first. Among those of one priority the one with the least processor time for its
    weight comes first; one that is running stays until it is `slice_seconds` ahead of one that waits.

    Args:
        agents: The sessions of one parent, in the order of their numbers.
        running: The ids of those that train at the moment.
        at_once: How many may train at the same time.
        slice_seconds: As above.
    Returns:
        Their ids, the first choice first.
    """

    def rank(session: Session) -> tuple[int, float, bool]:
        agent = session.agent or Agent(name="")
        is_running = session.session_id in running
        used = session.observed.cpu_seconds / agent.weight - (slice_seconds if is_running else 0.0)
        return -agent.priority, used, not is_running

    wanted = sorted((session for session in agents if session.wants_work), key=rank)  # stable: the oldest first
    return tuple(session.session_id for session in wanted[:at_once])
