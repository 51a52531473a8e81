"""What tests in several folders start from: a workspace, a clock, a child process."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Before any numeric library is imported: one thread each, as the product's own processes have it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest

from core.state import Workspace
from tests.clocks import HandClock
from tests.processes import Child, Turnstile


@pytest.fixture
def settings_text() -> str:
    """What stands in the settings file of `workspace`; a folder or module that needs more overrides it."""
    return "{}\n"


@pytest.fixture
def workspace(tmp_path: Path, settings_text: str) -> Workspace:
    """An empty workspace."""
    return Workspace.create(tmp_path / "workspace", settings_text=settings_text)


@pytest.fixture
def clock() -> HandClock:
    """A clock that stands still until a test moves it."""
    return HandClock()


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


@pytest.fixture
def turnstile() -> Iterator[Callable[[], Turnstile]]:
    """Make turnstiles that hold processes up until the test opens them."""
    turnstiles: list[Turnstile] = []

    def make() -> Turnstile:
        turnstiles.append(Turnstile())
        return turnstiles[-1]

    yield make
    for each in turnstiles:
        each.close()
