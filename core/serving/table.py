"""The versions served at this moment: an immutable table, replaced whole, so that no request sees half a change."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from core.monitoring.performance.recorded_slices import recorded_columns
from core.registry import Stage
from core.rollout.routing import Router, RoutingTable
from core.rollout.slices import Slice
from core.serving.dialects import Dialect, Reader
from core.serving.dialects.dialect import State
from core.serving.dialects.tensors import framing
from core.serving.errors import BadRequestError, UnavailableError, UnknownVersionError
from core.serving.slicer import Slicer
from core.serving.stats import VersionStats
from core.telemetry.predictions import Arm

if TYPE_CHECKING:
    from core.explain.conformal import Conformal
    from core.monitoring.data_profile import DataProfile
    from core.serving.live.tap import LiveTap
    from core.serving.scoring.scorer import Scorer

VersionKey = tuple[str, str]  # model, version

LOADING = "models are being loaded"
ON_LIST = "on the list of what to serve (serving.models)"
_NAMED = 20  # models in a refusal

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def no_reason() -> None:
    """Of a table that was not withdrawn."""


class LoadedVersion:
    """One version, warm and ready to answer."""

    def __init__(
        self,
        model: str,
        version: str,
        scorer: "Scorer",
        stats: VersionStats,
        *,
        loaded_at: datetime,
        seconds: float,
        n_bytes: int = 0,
        profile: "DataProfile | None" = None,
        made_profile: str = "",
        tap: "LiveTap | None" = None,
        conformal: "Conformal | None" = None,
        manifest_sha256: str = "",
    ) -> None:
        self.model = model
        self.version = version
        self.scorer = scorer
        self.signature = scorer.signature
        self.form = scorer.form
        self.stats = stats
        self.loaded_at = loaded_at
        self.load_seconds = seconds
        self.n_bytes = n_bytes  # of memory
        self.profile = profile
        self.made_profile = made_profile  # the hash of a profile that was made after the version was registered
        self.slice_columns = () if profile is None else recorded_columns(profile)
        self.conformal = conformal
        self.manifest_sha256 = manifest_sha256  # of the registered files that it was loaded from
        self.tap = tap  # takes answered rows to be counted
        stats.last_used = time.monotonic()
        self.alone = Assignment(self, slicer=self.slicer(()))  # outside a rollout
        self._speech: dict[str, Speech] = {}

    def with_profile(self, profile: "DataProfile", made_profile: str, tap: "LiveTap | None") -> "LoadedVersion":
        """Return the same version, with a profile that was made since it was loaded."""
        return LoadedVersion(
            self.model,
            self.version,
            self.scorer,
            self.stats,
            loaded_at=self.loaded_at,
            seconds=self.load_seconds,
            n_bytes=self.n_bytes,
            profile=profile,
            made_profile=made_profile,
            tap=tap,
            conformal=self.conformal,
            manifest_sha256=self.manifest_sha256,
        )

    def slicer(self, slices: Sequence[Slice]) -> Slicer | None:
        """Return what finds the levels to record with its predictions: of its own slices, and those of a rollout."""
        return Slicer(slices, self.signature, self.slice_columns) if slices or self.slice_columns else None

    def speech(self, dialect: Dialect) -> "Speech":
        """Return the constants for answers in a dialect; computed on first use."""
        found = self._speech.get(dialect.name)
        if found is None:
            found = self._speech[dialect.name] = Speech.of(self, dialect)
        return found


class Speech(NamedTuple):
    """The constants of all answers of one version in one dialect."""

    read: Reader
    headers: tuple[tuple[bytes, bytes], ...]
    start: bytes  # of an HTTP/1.1 answer, with these headers

    @classmethod
    def of(cls, version: LoadedVersion, dialect: Dialect) -> "Speech":
        """Prepare for a version."""
        headers = (
            (b"content-type", dialect.content_type),
            (b"x-bondx-model", version.model.encode()),
            (b"x-bondx-version", version.version.encode()),
        )
        return cls(partial(dialect.read_with, dialect.reader(version.signature)), headers, _start(headers))

    def fields(self, body: bytes) -> tuple[tuple[bytes, bytes], ...]:
        """Return the header fields of an answer."""
        return self.headers if type(body) is bytes else (*framing(body), *self.headers[1:])

    def start_of(self, body: bytes) -> bytes:
        """Return the start of an answer, with these header fields."""
        return _start(self.fields(body))


def _start(fields: tuple[tuple[bytes, bytes], ...]) -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + b"".join(b"%b: %b\r\n" % field for field in fields)


class Assignment(NamedTuple):
    """The route of one request."""

    version: LoadedVersion
    rollout_id: str | None = None
    arm: Arm = Arm.STABLE
    share: float = 0.0
    unit: int | None = None  # the caller; None: each request separately
    place: int = 0  # of the caller, or else of the request, on the router's line
    shadow: LoadedVersion | None = None  # receives a copy; its answer is not sent
    fallback: LoadedVersion | None = None  # answers when `version` fails
    slicer: Slicer | None = None  # finds the levels to record with the prediction


class Routing:
    """The routing of one model during one rollout, among loaded versions."""

    def __init__(self, table: RoutingTable, loaded: Mapping[str, LoadedVersion]) -> None:
        self._router = Router({table.model: table})
        self._model = table.model
        self._loaded = loaded
        self._stable = loaded[table.stable]
        self._arms = [loaded[number] for number in table.versions if number in loaded]
        self._reads_alike = len({(version.signature.demands, type(version.scorer)) for version in self._arms}) == 1
        self._is_open = any(version.signature.is_open for version in self._arms)
        self._slicers = {number: loaded[number].slicer(table.slices) for number in table.versions if number in loaded}

    @property
    def stable_alone(self) -> Assignment:
        """The route of a request that says nothing about the rollout."""
        return self._stable.alone

    def assign(self, key: str | None, request_id: str) -> Assignment:
        """Decide the route of a request.

        Args:
            key: Requests with the same key get the same route; None routes each request separately.
            request_id: The request's own id.
        """
        route = self._router.route(self._model, key or request_id)
        version = self._loaded[route.version]
        return Assignment(
            version,
            route.rollout_id,
            route.arm,
            route.share,
            route.unit if key else None,
            route.unit,
            self._loaded[route.mirror] if route.mirror else None,
            self._stable if version is not self._stable else None,
            self._slicers.get(route.version),
        )

    def comparing(self, assignment: Assignment, dialect: Dialect, content: bytes) -> Assignment:
        """Keep a stranger's request in the rollout only if both versions can read it; else stable alone answers.

        Whoever sends what one version refuses could decide the rollout. Such a request is left out whichever side it
        falls on, so the two sides stay comparable. A version that does not declare its fields refuses nothing before
        it computes, so no request without a token says anything about it.
        """
        if self._is_open:
            return self._stable.alone
        if self._reads_alike:
            return assignment
        try:
            for version in self._arms:
                if version is not assignment.version:  # which reads it next; a refusal by it is no evidence, either
                    version.scorer.check(version.speech(dialect).read(content).rows)
        except BadRequestError:
            return self._stable.alone
        return assignment


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """One model: its loaded versions, and the targets of its labels."""

    model: str
    registered: Mapping[str, Stage]  # every registered version
    versions: Mapping[str, LoadedVersion] = field(default_factory=lambda: _NOTHING)
    labels: Mapping[str, str] = field(default_factory=lambda: _NOTHING)  # lower case -> version, loaded
    failures: Mapping[str, str] = field(default_factory=lambda: _NOTHING)  # version -> why it could not be loaded
    waiting: Mapping[str, str] = field(default_factory=lambda: _NOTHING)  # label -> its version, not loaded
    loading: frozenset[str] = frozenset()  # versions that are being loaded
    live: str | None = None  # the version that should answer by default: the one in Production, loaded or not
    is_pinned: bool = False  # whether the list of what to serve names it instead
    unregistered: tuple[str, ...] = ()  # versions of that list that the registry does not have
    is_kept_as_files: bool = False  # whether another program serves it: no version of it is one of ours
    default: LoadedVersion | None = None  # answers by default
    routing: Routing | None = None  # during a rollout

    def labelled(self, label: str) -> str:
        """Return the target of a label.

        Raises:
            UnknownVersionError: There is no such label.
            UnavailableError: No version of this label is loaded.
        """
        found = self.labels.get(label.lower())
        if found is None and (number := self.waiting.get(label.lower())) is not None:
            raise UnavailableError(f"{self.model} {number} is not ready: {self.why_not_loaded(number)}.")
        if found is None:
            raise UnknownVersionError("label", label, sorted(self.labels))
        return found

    def known(self, version: str) -> str:
        """Return the number of a version, given as a registered number or as `@alias`.

        Raises:
            UnknownVersionError: The version is not registered.
        """
        if version.startswith("@"):
            return self.labelled(version[1:])
        if version not in self.registered:
            raise UnknownVersionError(f"version of {self.model}", version, list(self.registered)[-8:])
        return version

    def why_not_loaded(self, version: str) -> str | None:
        """Say why a version does not answer although the server wants it to; None if no request has asked for it."""
        if version in (self.live, *self.waiting.values(), *self.loading):
            return self.failures.get(version, "it is still being loaded")
        return self.failures.get(version)

    def state(self, version: str) -> State:
        """Say how far a registered version is from answering."""
        if version in self.versions:
            return State.LOADED
        if self.why_not_loaded(version) is None:
            return State.RESTING
        return State.FAILED if version in self.failures else State.LOADING

    @property
    def trouble(self) -> str | None:
        """Why the live version does not answer, or None; an earlier one may answer in its place."""
        if self.live is None or self.is_kept_as_files:
            return None
        if (why := self.failures.get(self.live)) is not None:
            return f"{self.model} {self.live} cannot be loaded: {why}"
        return None if self.default is not None else f"{self.model} {self.live} is still being loaded"

    @property
    def is_ready(self) -> bool:
        """Whether a version answers by default: the live one, or the one before it until that is loaded."""
        return self.default is not None

    def answering(self) -> LoadedVersion:
        """Return the version that answers by default.

        Raises:
            UnavailableError: No version is ready; the message gives the reason.
        """
        if self.default is not None:
            return self.default
        raise UnavailableError(self._why_no_default())

    def why_not_ready(self, version: str | None = None) -> str | None:
        """Say in a sentence why the model, or one version of it, does not answer; None if it does."""
        if version is None:
            return None if self.default is not None else self._why_no_default()
        if version in self.versions:
            return None
        return f"{self.model} {version} is not ready: {self.why_not_loaded(version) or State.RESTING.value}."

    def _why_no_default(self) -> str:
        if self.live is None and self.unregistered:
            return f"{self.model} {', '.join(self.unregistered)} is {ON_LIST}, but not registered."
        if self.live is None:
            return f"No version of {self.model} is in Production. Promote a version, or name a version or label."
        why = self.why_not_loaded(self.live)
        which = f"{self.model} {self.live} is {ON_LIST if self.is_pinned else 'in Production'}"
        return f"{which}, but {why}." if self.is_kept_as_files else f"{which}, but not ready: {why}."


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingTable:
    """All registered models."""

    models: Mapping[str, ServedModel] = field(default_factory=lambda: _NOTHING)
    is_complete: bool = False  # whether the registry has been read and every wanted version is loaded or has failed
    is_read: bool = False  # whether the registry has been read
    unregistered: tuple[str, ...] = ()  # models on the list of what to serve that the registry does not have
    withdrawn: Callable[[], str | None] = no_reason  # of a table without a version: why its replica serves nothing

    def require_served(self) -> None:
        """Refuse every request while a replica serves nothing: no promotion here would mend that.

        Raises:
            UnavailableError: It serves nothing, with the reason.
        """
        if (why := self.withdrawn()) is not None:
            raise UnavailableError(why)

    def read_models(self) -> Mapping[str, ServedModel]:
        """Return every model by name.

        Raises:
            UnavailableError: The registry has not been read yet.
        """
        if not self.is_read:
            raise UnavailableError("The models are still being loaded; retry in a moment.")
        return self.models

    def model(self, name: str) -> ServedModel:
        """Return one model.

        Raises:
            UnknownVersionError: There is no model with this name.
            UnavailableError: The registry has not been read yet, or this replica serves nothing.
        """
        self.require_served()
        found = self.models.get(name)
        if found is None:
            raise UnknownVersionError("model", name, list(self.read_models()))
        return found

    def only_model(self, path: str) -> ServedModel:
        """Return the only live model, for a request that names none.

        Args:
            path: The path that names a model, for the refusal.
        Raises:
            BadRequestError: Several models are live.
            UnavailableError: None is, or the registry has not been read yet.
        """
        self.require_served()
        self.read_models()
        live = self.expected()
        if not live:
            raise UnavailableError(f"There is no model to answer: {self._why_nothing_is_served()}.")
        if len(live) > 1:
            paths = ", ".join(path.replace("{which}", served.model) for served in live[:_NAMED])
            more = f" and {len(live) - _NAMED} more" if len(live) > _NAMED else ""
            raise BadRequestError(f"This server serves {len(live)} models; name one in the path: {paths}{more}.")
        return live[0]

    def not_ready(self) -> dict[str, str]:
        """Name the models that this server is expected to answer for and does not, each with the reason."""
        reasons = {served.model: served.why_not_ready() for served in self.expected()}
        reasons |= {model: f"{model} is {ON_LIST}, but not registered." for model in self.unregistered}
        return {model: why for model, why in reasons.items() if why is not None}

    def troubles(self) -> list[str]:
        """List the reasons why live versions do not answer, a sentence each; empty if there are some and all do."""
        missing = [f"{model} is {ON_LIST}, but not registered" for model in self.unregistered]
        for served in self.models.values():
            missing += [f"{served.model} {number} is {ON_LIST}, but not registered" for number in served.unregistered]
        return [*self._why_not_at_all(), *filter(None, (served.trouble for served in self.models.values())), *missing]

    def _why_not_at_all(self) -> list[str]:
        """Give the reason that is of no single model, if there is one."""
        if not self.is_complete:
            return [LOADING]
        return [] if self.expected() else [self._why_nothing_is_served()]

    def _why_nothing_is_served(self) -> str:
        if (withdrawn := self.withdrawn()) is not None:
            return withdrawn.rstrip(".")
        if not self.models and self.unregistered:
            return f"no model {ON_LIST} is registered in this workspace"
        if not self.models:
            return "no model is registered in this workspace"
        if all(served.live is None for served in self.models.values()):
            return "no version of any model is in Production"
        return "every version in Production is for another program"

    @property
    def is_ready(self) -> bool:
        """Whether the server belongs in rotation: it has loaded all versions that it can, and answers for a live model.

        A server with nothing to serve does not belong there: its workspace may be mistyped, or its volume empty. One
        version that cannot be served does not take the others out: each model has a readiness of its own.
        """
        return self.is_complete and any(served.is_ready for served in self.expected())

    def expected(self) -> list[ServedModel]:
        """List the live models that this server is expected to answer for."""
        return [
            served
            for served in self.models.values()
            if (served.live is not None or served.unregistered) and not served.is_kept_as_files
        ]
