"""What is recorded about the subject of a pack: gathered once, for all of its sections."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core.clock import from_iso
from core.domains.narrative import ALL_QUOTED, QuotedCells
from core.errors import NotFoundError, UsageError
from core.escape import shown
from core.evidence.drafts import DATABASE as DRAFTS
from core.evidence.drafts import TABLE as DRAFT_TABLE
from core.evidence.drafts import NarrativeDrafts, RecordedDraft, with_changes
from core.evidence.pack import PackKind
from core.evidence.sources import Recorded, SourceBook
from core.explain.deny_list import NONE_DENIED, DenyList
from core.governance.audit_filter import AuditFilter
from core.governance.audit_log import AuditLog
from core.governance.record import AuditRecord
from core.registry.documents import MADE_PROFILES
from core.registry.move_packs import TABLE as MOVE_PACKS
from core.state.workspace import Workspace

_MOST_RECORDS = 500
_MOST_STRESS_TESTS = 3


@dataclass(frozen=True, slots=True)
class Period:
    """Days from one instant until another, the second not included."""

    since: datetime
    until: datetime

    def holds(self, at: str | None) -> bool:
        """Say whether an instant of a document is in it."""
        return at is not None and self.since <= from_iso(at) < self.until

    def __str__(self) -> str:
        return f"{self.since:%Y-%m-%d} to {self.until:%Y-%m-%d}"


@dataclass(slots=True)
class VersionFacts:
    """What is recorded about one version."""

    folder: str  # relative to the workspace
    document: Recorded
    manifest: Recorded | None
    report: Recorded | None
    environment: Recorded | None
    model_file: Recorded | None
    explanation: Recorded | None
    conformal: Recorded | None
    made_profile: Recorded | None  # the record of a profile that was made after the version was registered


@dataclass(slots=True)
class Subject:
    """Everything that a pack may speak of; empty where nothing is recorded."""

    kind: PackKind
    name: str
    title: str
    book: SourceBook
    model: str = ""
    period: Period | None = None
    registered: Recorded | None = None  # the model
    versions: list[VersionFacts] = field(default_factory=list)
    session: Recorded | None = None
    run: Recorded | None = None
    final: Recorded | None = None  # the session's final report
    rollouts: list[Recorded] = field(default_factory=list)
    transitions: list[Recorded] = field(default_factory=list)
    approvals: list[Recorded] = field(default_factory=list)
    alerts: list[Recorded] = field(default_factory=list)
    monitoring: Recorded | None = None
    stress: list[tuple[Recorded, Recorded | None]] = field(default_factory=list)  # the test, and its report
    records: list[AuditRecord] = field(default_factory=list)
    drafts: list[tuple[Recorded, RecordedDraft, list[str]]] = field(default_factory=list)  # and what changed since
    denied: DenyList = NONE_DENIED  # the columns that must not appear
    quoting: QuotedCells = ALL_QUOTED  # the cells that may be quoted

    @property
    def version(self) -> VersionFacts | None:
        """The version that the pack is about, or the newest of them."""
        return self.versions[-1] if self.versions else None

    @property
    def monitored(self) -> Mapping[str, Any]:
        """What monitoring says of the version; in a period, of the live one. Empty if it was not monitored."""
        found = list((self.monitoring["versions"] if self.monitoring else None) or [])
        if self.kind is PackKind.MODEL or self.version is None:
            return found[0] if found else {}
        wanted = self.version.document["version"]
        return next((each for each in found if each.get("version") == wanted), {})


def version_subject(workspace: Workspace, model: str, version: str) -> Subject:
    """Gather what is recorded about a version.

    Raises:
        NotFoundError: There is no such version.
    """
    book = SourceBook(workspace)
    found = book.chosen("registry", "versions", model=model, version=version)
    if not found:
        from core.registry import Registry

        Registry(workspace).get(model, version)  # says which models and versions there are
        raise NotFoundError(f"{shown(model)} has no version {shown(version)}.")
    subject = Subject(PackKind.VERSION, f"{model}/{version}", f"{model} {version}", book, model=model)
    subject.versions = [_version(book, found[0])]
    _add_model(workspace, subject, lambda fields: fields.get("version") == version)
    subject.rollouts = _rollouts(book, lambda fields: version in (fields.get("candidate"), fields.get("stable")), model)
    _add_training(subject, str(found[0]["session_id"] or ""), str(found[0]["run_id"] or ""))
    _add_stress(subject)
    _add_records(workspace, subject, [f"{model}/{version}", *_ids(subject.rollouts, "rollout_id")])
    return subject


def session_subject(workspace: Workspace, session_id: str) -> Subject:
    """Gather what is recorded about a session and the versions that it registered.

    Raises:
        DocumentNotFoundError: There is no such session.
    """
    book = SourceBook(workspace)
    found = book.chosen("sessions", "sessions", session_id=session_id)
    if not found:
        from core.training.sessions import Sessions

        Sessions(workspace).get(session_id)
        raise NotFoundError(f"There is no session {shown(session_id)}.")
    subject = Subject(PackKind.SESSION, session_id, f"training session {session_id}", book)
    versions = book.chosen("registry", "versions", session_id=session_id)
    subject.versions = [_version(book, document) for document in versions]
    subject.model = str(versions[-1]["model"]) if versions else ""
    _add_training(subject, session_id, str(found[0]["run_id"] or ""))
    _add_stress(subject)
    _add_records(workspace, subject, [session_id, *(str(each["key"]) for each in versions)])
    return subject


def rollout_subject(workspace: Workspace, rollout_id: str) -> Subject:
    """Gather what is recorded about a rollout, its candidate and its stable version.

    Raises:
        DocumentNotFoundError: There is no such rollout.
    """
    book = SourceBook(workspace)
    found = book.chosen("registry", "rollouts", rollout_id=rollout_id)
    if not found:
        from core.rollout import Rollouts

        Rollouts(workspace).get(rollout_id)
        raise NotFoundError(f"There is no rollout {shown(rollout_id)}.")
    rollout = found[0]
    model = str(rollout["model"])
    subject = Subject(PackKind.ROLLOUT, rollout_id, f"rollout {rollout_id} of {model}", book, model=model)
    sides = [str(rollout[side]) for side in ("stable", "candidate") if rollout[side]]
    documents = [d for side in sides for d in book.chosen("registry", "versions", model=model, version=side)]
    subject.versions = [_version(book, document) for document in documents]
    subject.rollouts = found
    _add_model(workspace, subject, lambda fields: fields.get("version") in sides)
    if subject.version is not None:
        document = subject.version.document
        _add_training(subject, str(document["session_id"] or ""), str(document["run_id"] or ""))
    _add_records(workspace, subject, [rollout_id])
    return subject


def stress_subject(workspace: Workspace, test_id: str) -> Subject:
    """Gather what is recorded about a stress test.

    Raises:
        DocumentNotFoundError: There is no such test.
    """
    book = SourceBook(workspace)
    found = book.chosen("stress", "tests", test_id=test_id)
    if not found:
        from core.stress.stored_tests import StressTests

        StressTests(workspace).get(test_id)
        raise NotFoundError(f"There is no stress test {shown(test_id)}.")
    subject = Subject(PackKind.STRESS, test_id, f"stress test {test_id}", book)
    subject.stress = [(found[0], book.file(str(found[0]["report"])))]
    _add_records(workspace, subject, [test_id])
    return subject


def model_subject(workspace: Workspace, model: str, period: Period) -> Subject:
    """Gather what is recorded about a model in a period.

    Raises:
        ModelNotFoundError: There is no such model.
        UsageError: The period ends before it begins.
    """
    if period.until <= period.since:
        raise UsageError(f"The period from {period} ends before it begins.")
    from core.registry import Registry

    Registry(workspace).numbers(model)
    book = SourceBook(workspace)
    subject = Subject(PackKind.MODEL, f"{model} {period}", f"{model} from {period}", book, model=model, period=period)
    found = book.chosen("registry", "versions", model=model)
    lived = [each for each in found if period.holds(each["created_at"]) or each["stage"] == "Production"]
    subject.versions = [_version(book, document) for document in lived]
    _add_model(workspace, subject, lambda fields: period.holds(fields.get("at")))
    subject.rollouts = _rollouts(book, lambda fields: period.holds(fields.get("created_at")), model)
    if subject.version is not None:
        document = subject.version.document
        _add_training(subject, str(document["session_id"] or ""), str(document["run_id"] or ""))
    _add_stress(subject)
    _add_records(workspace, subject, [f"{model}/", *_ids(subject.rollouts, "rollout_id")])
    subject.records = [record for record in subject.records if period.since <= record.at < period.until]
    return subject


def add_drafts(workspace: Workspace, subject: Subject, named: Sequence[str]) -> None:
    """Add the drafts of an annex: those named, those that the subject's versions wrote, and what changes one of them.

    Raises:
        DocumentNotFoundError: There is no draft of a name.
    """
    drafts = NarrativeDrafts(workspace)
    wanted = [drafts.get(each).draft_id for each in named]
    known = drafts.all()
    keys = {version.document["key"] for version in subject.versions}
    for draft in known:
        is_of_time = subject.period is None or subject.period.since <= draft.drafted_at < subject.period.until
        if is_of_time and f"{draft.model}/{draft.version}" in keys:
            wanted.append(draft.draft_id)
    for draft in with_changes(known, wanted):
        recorded = subject.book.chosen(DRAFTS, DRAFT_TABLE, draft_id=draft.draft_id)[0]
        subject.drafts.append((recorded, draft, drafts.changes_of(draft, known)))


def _version(book: SourceBook, document: Recorded) -> VersionFacts:
    folder = f"artifacts/{document['path']}"
    manifest = book.file(f"{folder}/MANIFEST.json")
    within = manifest.source if manifest else ""
    return VersionFacts(
        folder,
        document,
        manifest,
        book.file(f"{folder}/report.json", within=within),
        book.file(f"{folder}/environment.json", within=within),
        book.file(f"{folder}/model.json", within=within),
        book.file(f"{folder}/explanation.json", within=within),
        book.file(f"{folder}/conformal.json", within=within),
        next(iter(book.chosen("registry", MADE_PROFILES, key=document["key"])), None),
    )


def _add_model(workspace: Workspace, subject: Subject, is_wanted: Any) -> None:
    book, model = subject.book, subject.model
    subject.registered = next(iter(book.chosen("registry", "models", model=model)), None)
    subject.transitions = [
        *_packed_moves(book, model, is_wanted),
        *_wanted(book, "registry", "transitions", model, is_wanted),
    ]
    subject.approvals = _wanted(
        book, "registry", "approvals", model, lambda fields: is_wanted({**fields, "at": fields.get("approved_at")})
    )
    subject.monitoring = next(iter(book.chosen("monitoring", "models", model=model)), None)
    subject.alerts = [
        book.cited("alerts", "alerts", number, fields)
        for number, fields in book.documents("alerts", "alerts")
        if (fields.get("labels") or {}).get("model") == model
        and (subject.period is None or subject.period.holds(fields.get("first_at") or fields.get("last_at")))
    ]


def _wanted(book: SourceBook, database: str, table: str, model: str, is_wanted: Any) -> list[Recorded]:
    return [
        book.cited(database, table, number, fields)
        for number, fields in book.documents(database, table)
        if fields.get("model") == model and is_wanted(fields)
    ]


def _packed_moves(book: SourceBook, model: str, is_wanted: Any) -> list[Recorded]:
    """Return the older moves of a model, each a source of its own; its place is the number of its pack and its own."""
    return [
        book.cited("registry", MOVE_PACKS, f"{number}.{fields['number']}", fields)
        for number, pack in book.documents("registry", MOVE_PACKS)
        if pack.get("model") == model
        for fields in pack.get("moves", ())
        if is_wanted(fields)
    ]


def _rollouts(book: SourceBook, is_wanted: Any, model: str) -> list[Recorded]:
    return _wanted(book, "registry", "rollouts", model, is_wanted)


def _add_training(subject: Subject, session_id: str, run_id: str) -> None:
    book = subject.book
    if session_id:
        subject.session = next(iter(book.chosen("sessions", "sessions", session_id=session_id)), None)
        subject.final = book.file(f"reports/{session_id}/final_report.json")
    if run_id:
        subject.run = next(iter(book.chosen("runs", "runs", run_id=run_id)), None)


def _add_stress(subject: Subject) -> None:
    """Add the newest stress tests of the domain that the session trained."""
    domain = ((subject.session["settings"] or {}) if subject.session else {}).get("domain", "bonds")
    found = [
        (number, fields)
        for number, fields in subject.book.documents("stress", "tests")
        if fields.get("domain") == domain
        and (subject.period is None or subject.period.holds(str(fields.get("created_at"))))
    ]
    found.sort(key=lambda each: str(each[1].get("created_at")), reverse=True)
    for number, fields in found[:_MOST_STRESS_TESTS]:
        test = subject.book.cited("stress", "tests", number, fields)
        subject.stress.append((test, subject.book.file(str(test["report"]))))


def _add_records(workspace: Workspace, subject: Subject, names: Iterable[str]) -> None:
    """Add the audit records about some objects, the oldest first."""
    log = AuditLog(workspace)
    found = {
        record.sequence: record
        for name in names
        for record in log.search(AuditFilter(object=name), limit=_MOST_RECORDS)
    }
    subject.records = [found[sequence] for sequence in sorted(found)][-_MOST_RECORDS:]


def _ids(documents: Iterable[Recorded], name: str) -> list[str]:
    return [str(document[name]) for document in documents]
