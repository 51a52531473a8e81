"""The engine: the one holder of a workspace's lease, and the threads that work for it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.engine.engine import Engine

__all__ = ["Engine"]


def __getattr__(name: str) -> Any:
    """Import the engine when it is asked for: the console reads `core.view` long before it starts one."""
    if name == "Engine":
        from core.engine.engine import Engine

        return Engine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
