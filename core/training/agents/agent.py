"""One agent: what it is for, its place in the queue, and what its process may use. Light."""

import math

import msgspec

USUAL_NICENESS = 10
_LEAST_NICENESS, _MOST_NICENESS = 1, 19
_STEP = 1.25
"""By this much the kernel divides the processor time of a process when its niceness goes up by one."""


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """An agent of a parent session, as the settings of the parent describe it.

    Attributes:
        name: Its model or algorithm; "stack" or "rest" for those that the settings do not name.
        priority: Agents of a higher one train first.
        weight: Its share of processor time beside agents of the same priority.
        nice: The niceness of its process; None: by its weight.
        memory_limit_mb: Of its process, MiB; 0 for no limit.
        cpu_limit: How many processors it may use at a time; 0 for no limit.
    """

    name: str
    priority: int = 0
    weight: float = 1.0
    nice: int | None = None
    memory_limit_mb: int = 0
    cpu_limit: float = 0.0

    @property
    def niceness(self) -> int:
        """The niceness of its process.

        >>> Agent(name="linear").niceness, Agent(name="linear", weight=2.0).niceness, Agent(name="x", nice=19).niceness
        (10, 7, 19)
        """
        if self.nice is not None:
            return self.nice
        by_weight = round(USUAL_NICENESS - math.log(self.weight) / math.log(_STEP))
        return min(max(by_weight, _LEAST_NICENESS), _MOST_NICENESS)
