"""Where the files of a session are: checkpoints below `artifacts/`, reports below `reports/<session>/`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from core.errors import NotFoundError
from core.escape import shown
from core.explain.deny_list import DenyList
from core.files import write_file
from core.governance import Evidence
from core.json_documents import decode_json
from core.state import Workspace
from core.text.corpus import NOTICE as TEXTS_NOTICE
from core.training.convergence import Judgement
from core.training.epoch_reports import EpochReports
from core.training.records import EpochRecord, FinalRecord, SessionModelFacts
from core.training.reported_final import reported_final
from core.training.reports import (
    dashboard_metrics,
    epoch_report,
    final_report,
    final_report_json,
    final_report_markdown,
    system_health_report,
)
from core.training.scores import EpochScores
from core.training.session import Session, without_place
from core.training.session_domain import domain_of
from core.training.text_reports import text_final_report, text_report_markdown
from core.training.tuning.records import SessionTrial
from core.training.tuning.trial_files import TrialFiles

DATA_SETS = "datasets"
FINAL_REPORT = "final_report.json"
CHECKPOINTS = ".checkpoints"  # below artifacts/; no model can have this name


class SessionFiles:
    """The reports and checkpoints of all sessions of a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._reports: dict[Path, EpochReports] = {}

    def checkpoints_of(self, session: Session) -> Path:
        """Name the folder of a session's checkpoints."""
        return self._workspace.artifacts_dir / CHECKPOINTS / session.session_id

    def relative(self, path: Path) -> str:
        """Format a path as in documents: relative to the workspace."""
        return path.relative_to(self._workspace.root).as_posix()

    def write_epoch(self, session: Session, record: EpochRecord) -> None:
        """Write the report of an epoch."""
        report = epoch_report(record, notice=self._notice(session))
        self._reports_of(session).write(record.epoch, report)

    def read_epoch(self, session: Session, epoch: int) -> EpochRecord | None:
        """Read the report of an epoch, if there is one."""
        report = self._reports_of(session).read(epoch)
        return None if report is None else decode_json(report, EpochRecord)

    def epoch(self, session: Session, epoch: int) -> EpochRecord:
        """Return the report of an epoch.

        Raises:
            NotFoundError: There is none: the epoch has not ended yet, or its reports were pruned.
        """
        if (record := self.read_epoch(session, epoch)) is None:
            n_epochs = session.observed.epoch
            raise NotFoundError(
                f"{session.session_id} has no report of epoch {epoch}: it has completed {n_epochs} "
                f"{'epoch' if n_epochs == 1 else 'epochs'}, and reports may have been pruned."
            )
        return record

    def trials(self, session: Session, *, model: str | None = None) -> tuple[SessionTrial, ...]:
        """Return the trials of the search of parameters, by model and number.

        Args:
            session: The session.
            model: Only its trials.
        Raises:
            NotFoundError: The session has no such trials.
        """
        files = TrialFiles(self.checkpoints_of(session))
        order = list(session.training.models)  # as the session trains them
        known = sorted(files.models(), key=lambda name: order.index(name) if name in order else len(order))
        found = files.all(known if model is None else [model] if model in known else ())
        if found:
            return found
        if not session.training.advanced.enable_hyperparameter_tuning:
            raise NotFoundError(
                f"{session.session_id} searched no parameters: set advanced.enable_hyperparameter_tuning, and start "
                "another session."
            )
        if known and model is not None:
            raise NotFoundError(
                f"{session.session_id} has no trials of {shown(model)}; it has trials of {', '.join(known)}."
            )
        raise NotFoundError(f"{session.session_id} has no trials: none has ended yet, or its checkpoints were pruned.")

    def write_final(
        self,
        session: Session,
        final: FinalRecord,
        history: EpochScores,
        last: EpochRecord,
        judgement: Judgement,
    ) -> Evidence:
        """Write the final report as JSON and as a page; return the evidence for the JSON."""
        domain = domain_of(session.training)
        final = reported_final(final, DenyList.of(session.training.explanation))
        report = final_report(
            without_place(session.settings),
            history,
            last,
            final,
            judgement=judgement,
            announcements=session.observed.announcements,
            warnings=session.observed.warnings,
            notice=domain.notice,
        )
        folder = self._folder(session)
        write_file(folder / "final_report.md", final_report_markdown(report, final, last, groups=domain.groups))
        file = folder / FINAL_REPORT
        return Evidence(self.relative(file), write_file(file, final_report_json(report)))

    def write_text_final(
        self,
        session: Session,
        final: FinalRecord,
        facts: SessionModelFacts,
        history: EpochScores,
        judgement: Judgement,
    ) -> Evidence:
        """Write the final report of a model of language as JSON and as a page; return the evidence for the JSON."""
        assert session.text is not None
        notice = self._notice(session)
        report = text_final_report(session.text, history, final, facts, judgement=judgement, notice=notice)
        folder = self._folder(session)
        write_file(folder / "final_report.md", text_report_markdown(report, final, facts))
        file = folder / FINAL_REPORT
        return Evidence(self.relative(file), write_file(file, final_report_json(report)))

    @staticmethod
    def _notice(session: Session) -> str:
        """Return what the reports of a session say before any figure; nothing of a user's own documents."""
        if session.text is None:
            return domain_of(session.training).notice
        return "" if session.text.settings["corpus"] else TEXTS_NOTICE

    def write_dashboard(
        self,
        session: Session,
        history: EpochScores,
        durations: Sequence[float],
        times: Mapping[str, Mapping[str, float]] = MappingProxyType({}),
    ) -> None:
        """Write the state of a session; it can be written again, so the disk is not waited for."""
        content = dashboard_metrics(session, history, durations, times)
        write_file(self._folder(session) / "dashboard_metrics.json", content, durable=False)

    def write_health(
        self, session: Session, resources: Mapping[str, Sequence[tuple[float, float]]], n_open_alerts: int
    ) -> None:
        """Write the state of the machine and the trainer."""
        report = system_health_report(session, resources, n_open_alerts)
        write_file(self._folder(session) / "system_health_report.json", report)

    def _folder(self, session: Session) -> Path:
        return self._workspace.reports_dir / session.session_id

    def epoch_reports_of(self, session: Session) -> Path:
        """Name the folder of the reports of a session's epochs."""
        return self._folder(session) / "epochs"

    def data_sets_of(self, session: Session) -> Path:
        """Name the folder of the data sets of a session."""
        return self._folder(session) / DATA_SETS

    def _reports_of(self, session: Session) -> EpochReports:
        folder = self.epoch_reports_of(session)
        if folder not in self._reports:
            self._reports[folder] = EpochReports(folder)
        return self._reports[folder]
