"""The protocol of a watcher: it looks at one live version again and again, and says what a person should see of it.

The engine's monitor runs every watcher on every live version (`core.engine.workers.monitor`). A watcher is pure beside
what it reads. What it must remember between two looks is its state: bytes that the engine keeps in one transaction with
the cursor, so that after a kill -9 no minute is counted twice and none is lost.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Protocol

import msgspec

if TYPE_CHECKING:
    from core.monitoring.data_profile import DataProfile
    from core.settings.policy import ModelPolicy
    from core.state import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveVersion:
    """A version that answers requests now.

    Attributes:
        workspace: Where it is registered and recorded.
        model: Its model.
        version: Its number.
        role: Whether it is the stable version of its model, or the candidate of a rollout.
        live_since: When it began to answer, if that is known.
        created_at: When it was registered.
        folder: Its artifact. Files are not hashed again when they are read there.
        profile: What it learned from, or None.
        profile_since: When the profile was made, if that was after the version was registered.
        no_profile: Why it has no profile; empty if it has.
        importance: The share of each feature in its answers.
        rules: The policy in force for the model.
        n_prompt_documents: Of a model of language, the held-out documents that its prompts are compared with; else 0.
        writes_texts: Whether it is a model of language, of whose answers no outcomes come.
    """

    workspace: "Workspace"
    model: str
    version: str
    role: Literal["stable", "candidate"]
    live_since: datetime | None
    created_at: datetime
    folder: Path
    profile: "DataProfile | None"
    profile_since: datetime | None = None
    no_profile: str
    importance: Mapping[str, float]
    rules: "ModelPolicy"
    n_prompt_documents: int = 0
    writes_texts: bool = False

    @property
    def key(self) -> str:
        """Its name in one word, as people write it: "spread@1.4.0"."""
        return f"{self.model}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatcherLook:
    """The outcome of one look.

    Attributes:
        part: What is shown; None while there is nothing to show.
        state: What the next look needs; None to forget everything.
        cursor: How far the watcher has read, as a number that only grows. The state holds it, too: this one is for
            people who look into the store.
    """

    part: msgspec.Struct | None = None
    state: bytes | None = None
    cursor: int = 0


class Watcher(Protocol):
    """Watches one aspect of live versions. One object serves all versions; it keeps nothing between two looks."""

    name: ClassVar[str]
    """The field of `VersionMonitoring` that it writes, and the name under which its state is kept."""

    def look(self, version: LiveVersion, now: datetime, state: bytes | None) -> WatcherLook:
        """Look at what is new since the state.

        Args:
            version: The version to look at.
            now: The time.
            state: That of the last look; None at the first look at this version.
        Raises:
            Exception: It cannot look: the engine raises an alert, keeps what was shown, and asks again.
        """


class WatchState(NamedTuple):
    """The state of one watcher on one version."""

    model: str
    version: str
    watcher: str
    cursor: int
    state: bytes


class WatchStates(Protocol):
    """Keeps the states of watchers."""

    def load(self, model: str, version: str, watcher: str) -> bytes | None:
        """Return a state, or None if there is none."""

    def save(self, states: Iterable[WatchState]) -> None:
        """Keep states, all or none of them."""


class MemoryStates(WatchStates):
    """Keeps states as long as this object lives."""

    def __init__(self) -> None:
        self._states: dict[tuple[str, str, str], bytes] = {}

    def load(self, model: str, version: str, watcher: str) -> bytes | None:
        """Return a state, or None if there is none."""
        return self._states.get((model, version, watcher))

    def save(self, states: Iterable[WatchState]) -> None:
        """Keep states."""
        self._states.update({each[:3]: each.state for each in states})
