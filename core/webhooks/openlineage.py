"""The events of a record of the audit log as OpenLineage lays them out: what ran, what it read, and what it made.

A session, a rollout, a registration of something trained elsewhere and a promotion are runs of jobs. Data sets and
versions are data sets of lineage. A promotion reads the version that goes live and writes `MODEL@production`, which is
what clients are answered by; so a lineage graph leads from an answer to the data behind it.

Sources:
    OpenLineage 2-0-2, https://openlineage.io/spec/2-0-2/OpenLineage.json
    The run cycle, https://openlineage.io/docs/spec/run-cycle
"""

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import orjson

from core.clock import to_iso
from core.errors import CoreError
from core.evidence.recorded_version import RecordedVersion, on_record, recorded_version, sha256_in
from core.explain.deny_list import DenyList, naming
from core.governance import AuditRecord
from core.installed_packages import DISTRIBUTION, own_release, purl_of
from core.registry import Stage
from core.rollout import RolloutPhase, Rollouts
from core.settings import SettingsError
from core.training.session import Session
from core.training.sessions import Sessions

if TYPE_CHECKING:
    from core.state import Workspace

RunState = Literal["START", "RUNNING", "COMPLETE", "ABORT", "FAIL"]

_SPEC: Final = "https://openlineage.io/spec"
_EVENT_SCHEMA: Final = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS: Final[Mapping[str, tuple[str, str]]] = {
    "datasetType": ("1-0-1", "DatasetTypeDatasetFacet"),
    "errorMessage": ("1-0-1", "ErrorMessageRunFacet"),
    "inputStatistics": ("1-0-0", "InputStatisticsInputDatasetFacet"),
    "jobType": ("2-0-4", "JobTypeJobFacet"),
    "parent": ("1-2-0", "ParentRunFacet"),
    "processing_engine": ("1-1-1", "ProcessingEngineRunFacet"),
    "schema": ("1-2-0", "SchemaDatasetFacet"),
    "version": ("1-0-1", "DatasetVersionDatasetFacet"),
}
_OWN_FACET: Final = "urn:bondx:openlineage:AuditRecordRunFacet:1-0-0"
_NAMESPACE: Final = uuid.UUID("0d7be5a4-7a0f-4c0e-8d0a-3f9f6f0b2c11")
_WORD: Final = re.compile(r"\w+(?:[.-]\w+)*")
_OF_SESSION: Final[Mapping[str, RunState]] = {
    "session.begin": "START",
    "session.continue": "RUNNING",
    "session.finish": "COMPLETE",
    "session.fail": "FAIL",
    "session.stopped": "ABORT",
}
_OF_ROLLOUT: Final[Mapping[str, RunState]] = {
    RolloutPhase.PROMOTED: "COMPLETE",
    RolloutPhase.FINISHED: "COMPLETE",
    RolloutPhase.ROLLED_BACK: "FAIL",
    RolloutPhase.ABORTED: "ABORT",
}


class LineageEvent(NamedTuple):
    """A state of a run."""

    kind: str  # "session"
    state: RunState
    body: str

    @property
    def name(self) -> str:
        """Its name in lists.

        >>> LineageEvent("session", "START", "{}").name
        'session.start'
        """
        return f"{self.kind}.{self.state.lower()}"


def lineage_of(record: AuditRecord, workspace: "Workspace", namespace: str) -> Iterator[LineageEvent]:
    """Yield the states of runs that a record stands for, in the order in which they were reached.

    Args:
        record: A record of the audit log; most mean nothing here.
        workspace: The workspace, which knows what the record is about. What was pruned meanwhile is told by its name.
        namespace: The namespace of jobs and of data sets.
    """
    return _Lineage(record, workspace, namespace).events()


def example_of(kind: str, namespace: str, now: datetime) -> str:
    """Return an event that a test sends: a run of the job "webhook-test", which reads and makes nothing."""
    return _encoded(_event("COMPLETE", now, namespace, kind, "webhook-test", run=str(uuid.uuid4())))


class _Lineage:
    """The states of runs that one record stands for."""

    def __init__(self, record: AuditRecord, workspace: "Workspace", namespace: str) -> None:
        self._record = record
        self._workspace = workspace
        self._namespace = namespace
        self._after: Mapping[str, Any] = record.after if isinstance(record.after, Mapping) else {}

    def events(self) -> Iterator[LineageEvent]:
        """Yield them."""
        match self._record.verb:
            case "version.register":
                if not self._after.get("session_id"):  # else it is an output of its session
                    yield from self._registered()
            case "version.promote" | "version.rollback" | "version.undo" | "version.archive":
                yield from self._moved()
            case "rollout.start":
                yield self._of_rollout("START")
            case verb if verb.startswith("rollout."):
                if (state := _OF_ROLLOUT.get(str(self._after.get("phase")))) is not None:
                    yield self._of_rollout(state)
            case verb if verb in _OF_SESSION:
                yield from self._of_session(_OF_SESSION[verb])

    def _of_session(self, state: RunState) -> Iterator[LineageEvent]:
        sessions = Sessions(self._workspace)
        session = on_record(sessions.get, self._record.object)
        if session is not None and session.run_id is None:
            return  # stopped before it began
        parent = on_record(sessions.get, session.parent if session is not None else "")
        recorded = self._versions(session.observed.registered if session is not None and state == "COMPLETE" else ())
        yield self._told(
            "session",
            state,
            _job_of(session),
            run=_run_of(self._record.object, session),
            facets={} if parent is None else {"parent": self._parent(parent)},
            inputs=self._data_of(recorded),
            outputs=[self._version(key, found) for key, found in recorded.items()],
        )

    def _parent(self, session: Session) -> dict[str, Any]:
        return _facet(
            "parent",
            run={"runId": _run_of(session.session_id, session)},
            job={"namespace": self._namespace, "name": _job_of(session)},
        )

    def _registered(self) -> Iterator[LineageEvent]:
        key = self._record.object
        recorded = self._versions([key])
        made = {"inputs": self._data_of(recorded), "outputs": [self._version(key, recorded[key])]}
        yield from self._whole("registration", f"register.{key.partition('/')[0]}", made)

    def _moved(self) -> Iterator[LineageEvent]:
        model = self._record.object.partition("/")[0]
        # A version that goes live replaces another, which moves with it and is no source of what is live.
        live = {version: stage for version, stage in self._after.items() if stage == Stage.PRODUCTION}
        moved = live or self._after
        recorded = self._versions(f"{model}/{version}" for version in moved)
        outputs = [
            self._data_set(f"{model}@{str(stage).lower()}", "MODEL", version=version)
            for version, stage in moved.items()
        ]
        inputs = [self._version(key, found) for key, found in recorded.items()]
        verb = self._record.verb.partition(".")[2]
        yield from self._whole("promotion", f"{verb}.{model}", {"inputs": inputs, "outputs": outputs})

    def _of_rollout(self, state: RunState) -> LineageEvent:
        rollout = on_record(Rollouts(self._workspace).get, self._record.object)
        tried = [] if rollout is None else [f"{rollout.model}/{each}" for each in (rollout.stable, rollout.candidate)]
        return self._told(
            "rollout",
            state,
            "rollout" if rollout is None else f"rollout.{rollout.model}",
            run=_run_id(self._record.object, "" if rollout is None else to_iso(rollout.created_at)),
            inputs=[self._version(key, found) for key, found in self._versions(tried).items()],
        )

    def _whole(self, kind: str, job: str, made: Mapping[str, Any]) -> Iterator[LineageEvent]:
        """Yield both ends of a run that takes no time."""
        run = _run_id(self._record.id)
        yield self._told(kind, "START", job, run=run)
        yield self._told(kind, "COMPLETE", job, run=run, **made)

    def _told(
        self, kind: str, state: RunState, job: str, *, run: str, facets: Mapping[str, Any] | None = None, **made: Any
    ) -> LineageEvent:
        record = self._record
        own = {"sequence": record.sequence, "hash": record.hash, "verb": record.verb, "actor": record.actor}
        found = {
            **(facets or {}),
            "bondx_auditRecord": {"_producer": _producer(), "_schemaURL": _OWN_FACET, **own},
        }
        if state in ("FAIL", "ABORT"):
            message = self._shown_reason() or state
            found["errorMessage"] = _facet("errorMessage", message=message, programmingLanguage="PYTHON")
        event = _event(state, record.at, self._namespace, kind, job, run=run, facets=found, **made)
        return LineageEvent(kind, state, _encoded(event))

    def _shown_reason(self) -> str:
        """Return the reason of the record, unless it names a column that must not appear."""
        reason, denied = self._record.reason, DenyList.in_force(self._workspace.root)
        pattern = naming({*denied.patterns, *denied.among(_WORD.findall(reason))})
        if pattern is None or pattern.search(reason) is None:
            return reason
        return "The reason names a column of explanation.denied_columns; the audit log has it."

    def _versions(self, keys: Iterable[str]) -> dict[str, RecordedVersion | None]:
        """Return what is recorded of versions by key; None of one that was pruned, or whose files have changed.

        Raises:
            SettingsError: The settings cannot be read, so nobody knows what must not appear. The event waits.
        """
        found: dict[str, RecordedVersion | None] = {}
        for key in keys:
            model, _, version = key.partition("/")
            try:
                found[key] = recorded_version(self._workspace, model, version)
            except SettingsError:
                raise
            except CoreError:
                found[key] = None
        return found

    def _version(self, key: str, recorded: RecordedVersion | None) -> dict[str, Any]:
        return self._data_set(key, "MODEL", version="" if recorded is None else recorded.version.manifest_sha256)

    def _data_of(self, versions: Mapping[str, RecordedVersion | None]) -> list[dict[str, Any]]:
        """Return the data sets of versions, each once: models of one session share theirs."""
        found: dict[str, dict[str, Any]] = {}
        for key, recorded in versions.items():
            if recorded is None:
                continue
            for purpose, entry in recorded.data_sets():
                sha256 = sha256_in(entry)
                name = f"data/{sha256}" if sha256 else f"{key}/data/{purpose}"
                said = self._data_set(name, "TABLE", version=sha256, columns=_columns_of(recorded))
                if isinstance(entry.get("n_rows"), int):
                    said["inputFacets"] = {"inputStatistics": _facet("inputStatistics", rowCount=entry["n_rows"])}
                found.setdefault(name, said)
        return list(found.values())

    def _data_set(
        self, name: str, kind: str, *, version: str = "", columns: Iterable[Mapping[str, str]] = ()
    ) -> dict[str, Any]:
        facets = {"datasetType": _facet("datasetType", datasetType=kind)}
        if version:
            facets["version"] = _facet("version", datasetVersion=version)
        if fields := list(columns):
            facets["schema"] = _facet("schema", fields=fields)
        return {"namespace": self._namespace, "name": name, "facets": facets}


def _event(
    state: RunState,
    at: datetime,
    namespace: str,
    kind: str,
    job: str,
    *,
    run: str,
    facets: Mapping[str, Any] | None = None,
    inputs: Iterable[Any] = (),
    outputs: Iterable[Any] = (),
) -> dict[str, Any]:
    release = own_release()
    engine = _facet("processing_engine", version=release, name="BondX", openlineageAdapterVersion=release)
    job_type = _facet("jobType", processingType="BATCH", integration="BONDX", jobType=kind.upper())
    return {
        "eventType": state,
        "eventTime": to_iso(at),
        "run": {"runId": run, "facets": {"processing_engine": engine, **(facets or {})}},
        "job": {"namespace": namespace, "name": job, "facets": {"jobType": job_type}},
        "inputs": list(inputs),
        "outputs": list(outputs),
        "producer": _producer(),
        "schemaURL": _EVENT_SCHEMA,
    }


def _encoded(event: Mapping[str, Any]) -> str:
    return orjson.dumps(event).decode()


def _facet(facet: str, /, **fields: Any) -> dict[str, Any]:
    release, schema = _FACETS[facet]
    return {
        "_producer": _producer(),
        "_schemaURL": f"{_SPEC}/facets/{release}/{schema}.json#/$defs/{schema}",
        **fields,
    }


def _producer() -> str:
    return purl_of(DISTRIBUTION, own_release())


def _job_of(session: Session | None) -> str:
    """Return the job of a session: sessions of one experiment are runs of the same job."""
    return "session" if session is None else f"session.{session.experiment}"


def _run_of(session_id: str, session: Session | None) -> str:
    return _run_id(session_id, "" if session is None else to_iso(session.created_at))


def _run_id(*names: str) -> str:
    """Return the id of a run: the same in each of its events, whichever process tells it.

    A time tells sessions of two workspaces apart that have the same number.
    """
    return str(uuid.uuid5(_NAMESPACE, "/".join(names)))


def _columns_of(recorded: RecordedVersion) -> Iterator[dict[str, str]]:
    """Yield the columns of the data of a version, without those that must not appear."""
    for side in ("inputs", "outputs"):
        for name, kind in recorded.columns(side):
            if not recorded.is_hidden(name):
                yield {"name": name, "type": kind}
