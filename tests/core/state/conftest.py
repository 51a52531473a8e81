"""A workspace to write in, and real processes to race with."""

import os
import pickle
import signal
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.state import Database, Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "workspace", settings_text="# settings\n")


@pytest.fixture
def database(workspace: Workspace) -> Database:
    return workspace.database("registry")


class Child:
    """A forked process that computes one answer."""

    def __init__(self, work: Callable[[], Any]) -> None:
        read_end, write_end = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(read_end)
                with open(write_end, "wb") as pipe:
                    pickle.dump(_outcome(work), pipe)
            finally:
                os._exit(0)
        os.close(write_end)
        self._pipe = open(read_end, "rb")  # noqa: SIM115 - closed by answer() or kill()
        self._is_over = False

    def answer(self) -> Any:
        """Wait for the end and return what the work returned; raise what it raised."""
        with self._pipe as pipe:
            pickled = pipe.read()
        self.wait()
        outcome, value = pickle.loads(pickled)
        if outcome == "raised":
            raise AssertionError(f"the child raised:\n{value}")
        return value

    def wait(self) -> None:
        """Wait for the end, whatever it is."""
        os.waitpid(self.pid, 0)
        self._pipe.close()
        self._is_over = True

    def kill(self) -> None:
        """End it as kill -9 does, if it still runs."""
        if not self._is_over:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()


def _outcome(work: Callable[[], Any]) -> tuple[str, Any]:
    try:
        return "returned", work()
    except BaseException:
        return "raised", traceback.format_exc()


@pytest.fixture
def fork() -> Iterator[Callable[[Callable[[], Any]], Child]]:
    """Start `work` in another process; whatever still runs at the end of the test is killed."""
    children: list[Child] = []

    def start(work: Callable[[], Any]) -> Child:
        children.append(Child(work))
        return children[-1]

    yield start
    for child in children:
        child.kill()
