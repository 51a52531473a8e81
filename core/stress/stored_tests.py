"""The stress tests of a workspace: a document each, and the whole report as a file whose hash is audited."""

from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from core.actor import Actor
from core.clock import Clock, utc_now
from core.domains.stress import StressCase
from core.errors import NotFoundError
from core.escape import shown
from core.explain.deny_list import DenyList
from core.files import digest, remove_file, write_file
from core.governance import Evidence
from core.governance.audit import audited, require_access
from core.json_documents import decode_json
from core.plain_files import open_regular
from core.stress.model_figures import ModelCase, ModelUnderStress
from core.stress.report import StressReport

if TYPE_CHECKING:
    from core.state import Documents, Workspace

DATABASE: Final = "stress"
TABLE: Final = "tests"
FOLDER: Final = "stress"  # below reports/; no session can have this name


class CaseSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario at one severity, in a line."""

    scenario: str
    family: str
    severity: str
    pnl: float
    pnl_share: float
    impact: float

    @classmethod
    def of(cls, case: StressCase) -> "CaseSummary":
        """Summarise a case."""
        return cls(**{name: getattr(case, name) for name in cls.__struct_fields__})

    @property
    def key(self) -> str:
        """The scenario with its severity."""
        return f"{self.scenario}/{self.severity}"


class ModelCaseSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One model under one scenario at one severity, in a line.

    Attributes:
        model: Such as "spread@1.2.0".
        scenario: The scenario.
        severity: Its severity.
        error_ratio: The error against the truth, as times that of calm; None where the truth is unknown.
        attainment: On the redrawn labels; None where the optimum is unknown.
        n_gates: The quality gates that the rows fail.
    """

    model: str
    scenario: str
    severity: str
    error_ratio: float | None
    attainment: float | None
    n_gates: int

    @property
    def version(self) -> str:
        """The version; empty for a model that is not registered."""
        return self.model.partition("@")[2]

    @classmethod
    def of(cls, model: ModelUnderStress, case: ModelCase) -> "ModelCaseSummary":
        """Summarise a case of a model."""
        return cls(
            model=model.model,
            scenario=case.scenario,
            severity=case.severity,
            error_ratio=model.ratio(case),
            attainment=case.figures.get("attainment"),
            n_gates=len(case.gates),
        )


class StressTest(msgspec.Struct, frozen=True, kw_only=True):
    """The record of one stress test."""

    MOST_HELD: ClassVar[int] = 500

    test_id: str  # "st-0001"
    domain: str
    portfolio: str
    n_instruments: int
    market_value: float
    value_unit: str
    created_at: datetime
    created_by: str
    reason: str = ""
    cases: tuple[CaseSummary, ...] = ()
    report: str  # its path, relative to the workspace
    sha256: str  # of the report
    models: tuple[str, ...] = ()  # that were stressed on the same panel, such as "spread@1.2.0"
    model_cases: tuple[ModelCaseSummary, ...] = ()
    session_id: str = ""  # whose end it is of
    revision: int = 0

    @property
    def worst(self) -> CaseSummary:
        """The case that loses most."""
        return min(self.cases, key=lambda case: case.pnl)


class StressTests:
    """The stress tests of one workspace."""

    def __init__(self, workspace: "Workspace", *, clock: Clock = utc_now) -> None:
        """Open them.

        Args:
            workspace: The workspace.
            clock: The time.
        """
        self._workspace = workspace
        self._clock = clock

    @property
    def _documents(self) -> "Documents[StressTest]":
        return self._workspace.database(DATABASE).documents(TABLE, StressTest, key="test_id")

    def all(self) -> list[StressTest]:
        """Return every stress test, the newest first."""
        return sorted(self._documents.all(), key=lambda each: _number(each.test_id), reverse=True)

    def get(self, test_id: str) -> StressTest:
        """Return one.

        Raises:
            DocumentNotFoundError: There is none of this id.
        """
        return self._documents.get(test_id)

    def latest(self) -> StressTest:
        """Return the newest.

        Raises:
            NotFoundError: There is none yet.
        """
        if found := self.all():
            return found[0]
        raise NotFoundError("There is no stress test yet: bondx stress run makes one.")

    def report(self, test_id: str) -> StressReport:
        """Return the whole report of a stress test, without what it tells of columns that are denied or personal now.

        Raises:
            DocumentNotFoundError: There is no such test.
            NotFoundError: Its report is gone, or is not what was written.
        """
        test = self.get(test_id)
        path = self._workspace.root / test.report
        try:
            with open_regular(path) as file:
                content = file.read()
        except OSError as error:
            why = error.strerror or str(error)
            raise NotFoundError(f"{test.report}, the report of {test_id}, cannot be read: {why}.") from None
        if digest(content) != test.sha256:
            raise NotFoundError(f"{test.report} is not what {test_id} wrote: its SHA-256 differs. Run the test again.")
        try:
            report = decode_json(content, StressReport)
        except msgspec.DecodeError as error:
            raise NotFoundError(f"{test.report} is of another release ({shown(str(error))}): run it again.") from None
        return report.without_denied(DenyList.of_cells_in_force_or_all(self._workspace.root))

    def keep(self, report: StressReport, actor: Actor, *, reason: str = "", session_id: str = "") -> StressTest:
        """Store a report.

        Args:
            report: The report.
            actor: Who ran the test.
            reason: Why.
            session_id: The session whose end it is of.
        """
        require_access(self._workspace, actor, "stress.run", clock=self._clock)  # before its report is written
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            documents = self._documents
            newest = max((_number(each) for each in documents.all_keys()), default=0)
            test_id = f"st-{newest + 1:04d}"
            path = self._folder / f"{test_id}.json"
            # Before the document: a process that dies in between leaves a file that the next test replaces.
            sha256 = write_file(path, msgspec.json.encode(report))
            test = documents.insert(
                StressTest(
                    test_id=test_id,
                    domain=report.domain,
                    portfolio=report.portfolio,
                    n_instruments=report.n_instruments,
                    market_value=report.market_value,
                    value_unit=report.value_unit,
                    created_at=self._clock(),
                    created_by=str(actor),
                    reason=reason,
                    session_id=session_id,
                    cases=tuple(map(CaseSummary.of, report.cases)),
                    report=path.relative_to(self._workspace.root).as_posix(),
                    sha256=sha256,
                    models=tuple(each.model for each in report.models),
                    model_cases=tuple(ModelCaseSummary.of(each, case) for each in report.models for case in each.cases),
                )
            )
            change.record(
                "stress.run",
                test_id,
                after={"portfolio": test.portfolio, "n_cases": len(test.cases), "worst": test.worst.key},
                evidence=[Evidence(test.report, test.sha256)],
            )
            return test

    def prunable(self, *, keep: int) -> list[StressTest]:
        """Return the tests beyond the newest, the oldest first."""
        return self.all()[keep:][::-1]

    def prune(self, test_ids: Collection[str], actor: Actor, *, reason: str = "") -> None:
        """Remove stress tests and their reports; a report whose test is gone goes with them.

        Raises:
            DocumentNotFoundError: There is no such test; nothing was removed.
        """
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            for test_id in test_ids:
                test = self._documents.get(test_id)
                change.record("stress.prune", test_id, before={"portfolio": test.portfolio, "sha256": test.sha256})
            self._documents.remove_all(test_ids)
        self.sweep()

    def sweep(self) -> None:
        """Remove reports without a test: a killed process may have left them."""
        if not self._folder.is_dir():
            return
        # In a transaction, since another process may just be storing a test, whose report comes before its document.
        with self._workspace.database(DATABASE).transaction():
            known = set(self._documents.all_keys())
            for path in sorted(self._folder.glob("st-*.json")):
                if path.stem not in known:
                    remove_file(path)

    @property
    def _folder(self) -> Path:
        return self._workspace.reports_dir / FOLDER


def _number(test_id: str) -> int:
    """Return the number of an id; that of a foreign name is 0.

    >>> _number("st-0012")
    12
    """
    tail = test_id.removeprefix("st-")
    return int(tail) if tail.isascii() and tail.isdigit() and len(tail) < 10 else 0
