"""The worker's side of every executor: it opens work by its name, does tasks, and answers in plain values.

A request and an answer are bytes that `packed` wrote, so a worker runs nothing but classes of this package and
installed ones: no code travels.
"""

import sys
import threading
import traceback
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from core.errors import CoreError
from core.executors.errors import WorkError
from core.executors.in_force import running_on
from core.executors.packing import PlainValue, packed, unpacked
from core.executors.threads import ThreadExecutor
from core.executors.work import RemoteWork
from core.installed_packages import DISTRIBUTION, installed_version, own_release

MOST_OPEN = 4
"""Works that a worker keeps open: as many models as a session usually trains at a time."""

_PACKAGES = ("numpy", "pandas", "scipy", "scikit-learn", "lightgbm", "xgboost")
_BUILTIN = {
    kind.__name__: kind
    for kind in (
        *(ValueError, ArithmeticError, ZeroDivisionError, OverflowError, FloatingPointError, MemoryError, OSError),
        *(TypeError, AttributeError, NameError, NotImplementedError, LookupError, KeyError, IndexError, RuntimeError),
    )
}
"""Errors that are raised here as what they were there."""


def versions() -> dict[str, str]:
    """Return the versions on which the bits of a result depend."""
    packages = {name: installed_version(name) or "absent" for name in _PACKAGES}
    return {"python": ".".join(map(str, sys.version_info[:2])), DISTRIBUTION: own_release(), **packages}


def name_of(work: type[RemoteWork]) -> str:
    """Return the name by which a worker finds the class.

    >>> name_of(OrderedDict)
    'collections:OrderedDict'
    """
    return f"{work.__module__}:{work.__qualname__}"


class Bench:
    """The works that are open on this worker, by their keys."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, RemoteWork] = OrderedDict()
        self._lock = threading.Lock()

    def has(self, key: str) -> bool:
        """Whether the work is open, so that what its tasks share need not be sent."""
        with self._lock:
            return key in self._open

    def answer(self, key: str, work: str, shared: bytes | None, task: bytes) -> bytes:
        """Do a task; an error of it is an answer, too.

        Args:
            key: Of the work with what its tasks share.
            work: The name of its class.
            shared: What they share, packed; needed unless the work is open.
            task: The task, packed.
        """
        try:
            with _one_thread(), running_on(ThreadExecutor(1)):
                return packed({"value": self._opened(key, work, shared).do(unpacked(task))})
        except Exception as error:
            return packed({"fault": _described(error)})

    def _opened(self, key: str, work: str, shared: bytes | None) -> RemoteWork:
        with self._lock:
            if key in self._open:
                self._open.move_to_end(key)
                return self._open[key]
        module, _, name = work.partition(":")
        kind: type[RemoteWork] = getattr(import_module(module), name)
        assert shared is not None
        found = kind(unpacked(shared))
        with self._lock:
            self._open[key] = found
            while len(self._open) > MOST_OPEN:
                self._open.popitem(last=False)
        return found


def value_in(answer: bytes) -> PlainValue:
    """Return the value in an answer.

    Raises:
        Exception: The task failed: an error of the same kind, with the worker's traceback as a note.
    """
    found = unpacked(answer)
    if "fault" not in found:
        return found["value"]
    raise _raised(found["fault"])


def _described(error: Exception) -> dict[str, Any]:
    return {
        "kind": type(error).__name__,
        "is_ours": isinstance(error, CoreError),
        "text": str(error) or type(error).__name__,
        "details": traceback.format_exc(),
    }


def _raised(fault: dict[str, Any]) -> Exception:
    kind, text = str(fault["kind"]), str(fault["text"])
    if fault["is_ours"]:
        error: Exception = WorkError(text)
    elif kind in _BUILTIN:
        error = _BUILTIN[kind](text)
    else:
        # The callers tell the errors of learning libraries apart by their names.
        error = type(kind, (RuntimeError,), {})(text)
    error.add_note(f"on a worker:\n{fault['details']}")
    return error


_limits: list[Any] = []  # the limits in force, one for each task that is being done
_limits_lock = threading.Lock()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let every numeric library compute in one thread while any task is being done; then as before.

    A worker of a Dask cluster may have several threads, and is not ours alone.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with _limits_lock:
        _limits.append(threadpool_limits(1) if not _limits else None)
    try:
        yield
    finally:
        with _limits_lock:
            first = _limits[0]
            _limits.pop()
            if not _limits:
                first.restore_original_limits()
