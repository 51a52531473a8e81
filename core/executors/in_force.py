"""The executor in force: learners and searches ask for it where they compute folds, trials or members side by side."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from core.executors.threads import ThreadExecutor
from core.executors.work import Executor

_executor: ContextVar[Executor | None] = ContextVar("executor", default=None)


def executor() -> Executor:
    """Return the executor in force in this thread; by default threads, one per core."""
    return _executor.get() or ThreadExecutor()


@contextmanager
def running_on(chosen: Executor) -> Iterator[None]:
    """Let all work in this thread, and in threads that take over its context, run on an executor."""
    token = _executor.set(chosen)
    try:
        yield
    finally:
        _executor.reset(token)
