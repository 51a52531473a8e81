"""The `agents` block: one session for each model, algorithm or slice, side by side under one parent."""

from typing import Annotated

import msgspec
from msgspec import Meta

from core.settings.names import Name

LEAST_CPU_LIMIT = 0.01
"""Of a processor; the kernel takes no less."""


class AgentLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The place of one agent in the queue, and what its process may use."""

    priority: Annotated[
        int, Meta(ge=-100, le=100, description="Agents of a higher priority train first; others wait for them.")
    ] = 0
    weight: Annotated[
        float,
        Meta(ge=0.01, le=100, description="Share of processor time beside agents of the same priority."),
    ] = 1.0
    nice: Annotated[
        Annotated[int, Meta(ge=0, le=19)] | None,
        Meta(description="Niceness of its process; null: 10, less for a greater weight."),
    ] = None
    memory_limit_mb: Annotated[
        int, Meta(ge=0, description="Memory of its process, MiB; 0: trainer.memory_limit_mb.")
    ] = 0
    cpu_limit: Annotated[
        float,
        Meta(
            ge=0,
            le=1_024,
            description="How many processors its processes may use at a time, also while others are idle; 0: no limit. "
            "Needs cgroup v2.",
        ),
    ] = 0.0

    def __post_init__(self) -> None:
        if 0.0 < self.cpu_limit < LEAST_CPU_LIMIT:
            raise ValueError(
                f"cpu_limit is {self.cpu_limit:g}; it must be 0, or {LEAST_CPU_LIMIT} of a processor or more"
            )


class AgentsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `agents` block."""

    by: Annotated[
        str,
        Meta(
            max_length=100,
            description="What each agent is for: model, algorithm, sector (bonds), commodity (etrm); empty: none.",
        ),
    ] = ""
    of: Annotated[
        tuple[Name, ...],
        Meta(max_length=100, description="The models, algorithms, sectors or commodities; empty: all there are."),
    ] = ()
    at_once: Annotated[int, Meta(ge=1, le=64, description="Agents that train at the same time; the others wait.")] = 1
    stack: Annotated[
        bool, Meta(description="With by: algorithm, add an agent that tries a stack of the algorithms of the others.")
    ] = False
    slice_seconds: Annotated[
        float,
        Meta(
            ge=0,
            le=86_400,
            description="Processor seconds, by weight, an agent may be ahead of a waiting one before it makes room.",
        ),
    ] = 60.0
    limits: Annotated[
        dict[Name, AgentLimits], Meta(description="By agent: its priority, weight, niceness, memory and processors.")
    ] = {}

    def __post_init__(self) -> None:
        if not self.by and (self.of or self.stack or self.limits):
            raise ValueError("of, stack and limits need by, such as by: model")
        if self.stack and self.by != "algorithm":
            raise ValueError(f"stack is for by: algorithm, and by is {self.by}")
        if twice := next((name for name in self.of if self.of.count(name) > 1), None):
            raise ValueError(f"of names {twice} twice")
