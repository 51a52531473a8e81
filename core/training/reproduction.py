"""Drawing the data sets of a session again, from its final report alone, and checking that they are the same."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from core.domains.domain import VALIDATION
from core.errors import NotFoundError, RefusedError, UsageError
from core.escape import shown
from core.files import is_occupied
from core.json_documents import converted, decode_json
from core.output_files import require_output
from core.plain_files import read_file
from core.progress import begins
from core.settings import TrainingSettings
from core.state import Workspace
from core.tables.data_files import FORMATS, DataFormat
from core.training.data_lineage import DataSetLineage, epoch_name, epoch_of
from core.training.data_sets import write_data_set
from core.training.epoch_reports import EpochReports
from core.training.panels import TUNING, Draw, SessionPanels
from core.training.records import DrawRecord, EpochRecord
from core.training.session_files import FINAL_REPORT, SessionFiles
from core.training.sessions import Sessions
from core.training.tuning.plan import rows_of

POOLED = "draws"
_SESSION = re.compile(r"s-\d+")


class _History(msgspec.Struct, frozen=True):
    score: float | None


class _Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a final report says of the data."""

    settings: dict[str, Any] | None = None  # none of a model of language, which has no panels
    panels: tuple[DrawRecord, ...] = ()
    last_draw: DrawRecord | None = None  # absent from reports of earlier releases
    n_epochs: int = 0
    history: tuple[_History, ...] = ()


class AnotherDataSetError(RefusedError):
    """The data set drawn here is not the one in the report."""

    def __init__(self, name: str, *, reported: DrawRecord, drawn: DrawRecord) -> None:
        super().__init__(
            f"{name} was not reproduced, and nothing was written: its SHA-256 is {drawn.sha256} ({drawn.n_rows} rows), "
            f"but the report says {reported.sha256} ({reported.n_rows} rows). The settings in the report were changed, "
            "or another release or other libraries drew it; `library_versions` in lineage.json names those."
        )


@dataclass(frozen=True, slots=True)
class ReproducedDataSet:
    """A data set that was drawn again, and is the same.

    Attributes:
        folder: Where it is.
        lineage: Its lineage.
    """

    folder: Path
    lineage: DataSetLineage


def reproduce_data(
    source: str | Path,
    out: Path,
    *,
    epochs: Sequence[int] = (),
    panels: Sequence[str] = (),
    formats: Sequence[DataFormat] = FORMATS,
    workspace: Workspace | None = None,
) -> list[ReproducedDataSet]:
    """Draw the data sets of a session again, check each against the SHA-256 in its report, and write them.

    Args:
        source: A session of the workspace, or the path of a `final_report.json`, which needs no workspace. The hash of
            an earlier epoch is in the folder `epochs` beside that report.
        out: Each data set gets a folder of its name in it; a folder of that name is refused unless it is empty.
        epochs: The epochs whose draws to write.
        panels: The panels: "validation", a test panel of the domain, or "draws", the draws of the refit together.
            Without epochs and panels: the last draw, the validation panel and the test panels.
        formats: The formats to write.
        workspace: Where the session is.
    Raises:
        NotFoundError: There is no such session, report, epoch or panel.
        UsageError: The report cannot be read.
        AnotherDataSetError: A data set differs from the reported one.
        RefusedError: A folder to write is not empty, or in a workspace.
    """
    data = _Reported.of(source, workspace)
    names = [*map(epoch_name, epochs), *panels] or data.usual()
    made = []
    for name in dict.fromkeys(names):
        folder = out / name
        require_output(folder)
        if is_occupied(folder):
            raise RefusedError(f"{folder} is not empty. Choose another folder with --out.")
        reported = data.record_of(name)
        begins(f"drawing {name}")
        draw = data.draw(name)
        if draw.record != reported:
            raise AnotherDataSetError(name, reported=reported, drawn=draw.record)
        begins(f"writing {name}")
        lineage = write_data_set(
            draw, folder, name=name, settings=data.settings, document=data.document, formats=formats
        )
        made.append(ReproducedDataSet(folder, lineage))
    return made


def learned_draws(session_id: str, workspace: Workspace) -> Iterator[Draw]:
    """Draw again what the versions of a session learned from: the validation panel, then its epochs, newest first.

    Raises:
        NotFoundError: There is no such session, or it has no final report.
        UsageError: The report cannot be read.
        AnotherDataSetError: This release draws other rows than the session did.
    """
    data = _Reported.of(session_id, workspace)
    reported, draw = data.record_of(VALIDATION), data.draw(VALIDATION)
    if draw.record != reported:
        raise AnotherDataSetError(VALIDATION, reported=reported, drawn=draw.record)
    yield draw
    for epoch in range(len(data.report.history), 0, -1):
        if data.report.history[epoch - 1].score is not None:
            yield data.draw(epoch_name(epoch))


def is_session(source: str | Path) -> bool:
    """Say whether a source names a session rather than a file.

    >>> is_session("s-0001"), is_session("final_report.json")
    (True, False)
    """
    return isinstance(source, str) and _SESSION.fullmatch(source) is not None and not Path(source).exists()


class _Reported:
    """The data sets of one session, as its report names them."""

    def __init__(self, place: Path | str, report: _Report, epochs: Path) -> None:
        if report.settings is None:
            raise UsageError(
                f"{place} has no `settings`: that of a model of language has none, whose documents bondx text corpus "
                "draws again."
            )
        self._place = place
        self.report, self.document = report, report.settings
        self._epochs = EpochReports(epochs)
        try:
            self.settings = converted(report.settings, TrainingSettings)
        except msgspec.ValidationError as error:
            raise UsageError(f"{place}: `settings` is invalid: {error}.") from None
        self._panels = SessionPanels(self.settings)

    @classmethod
    def of(cls, source: str | Path, workspace: Workspace | None) -> "_Reported":
        if is_session(source):
            if workspace is None:
                raise UsageError(f"{source} is a session: name its workspace, or the path of its final_report.json.")
            session = Sessions(workspace).get(str(source))
            if session.text is not None:
                raise UsageError(
                    f"{source} trained a model of language, which has no rows: bondx text corpus draws its documents "
                    "again."
                )
            if session.children:
                raise UsageError(
                    f"{source} drew no data itself, its agents did. Name one of them: {', '.join(session.children)}."
                )
            epochs = SessionFiles(workspace).epoch_reports_of(session)
            file = epochs.parent / FINAL_REPORT
            report = _read(file) if file.exists() else _Report(settings=session.settings)
            return cls(source, report, epochs)
        file = Path(source)
        if file.is_dir():
            file /= FINAL_REPORT
        return cls(file, _read(file), file.parent / "epochs")

    def usual(self) -> list[str]:
        """Name the data sets that a session keeps at its end."""
        if not self.report.panels:
            raise NotFoundError(f"{self._place} has no final report yet: name a finished epoch with --epoch.")
        last = [epoch_name(self.report.n_epochs)] if self.report.last_draw is not None else []
        return [*last, *(record.purpose for record in self.report.panels if record.purpose != POOLED)]

    def record_of(self, name: str) -> DrawRecord:
        """Return what the report says of a data set."""
        if (epoch := epoch_of(name)) is not None:
            return self._record_of_epoch(epoch)
        for record in self.report.panels:
            if record.purpose == name:
                return record
        known = ", ".join(record.purpose for record in self.report.panels) or "none before the session's end"
        raise NotFoundError(f"{self._place} has no panel {shown(name)}. Its panels: {known}.")

    def _record_of_epoch(self, epoch: int) -> DrawRecord:
        if self.report.last_draw is not None and epoch == self.report.n_epochs:
            return self.report.last_draw
        try:
            found = self._epochs.read(epoch) if epoch > 0 else None
        except OSError as error:
            raise UsageError(f"The report of epoch {epoch} cannot be read: {error.strerror or error}.") from None
        if found is None:
            raise NotFoundError(
                f"{self._place} has no report of epoch {epoch}, whose SHA-256 would be checked: the reports of epochs "
                "are in the folder `epochs` beside final_report.json."
            )
        return decode_json(found, EpochRecord).draw

    def draw(self, name: str) -> Draw:
        """Draw a data set again."""
        if (epoch := epoch_of(name)) is not None:
            return self._panels.epoch(epoch)
        if name == POOLED:
            return self._panels.pooled([entry.score is not None for entry in self.report.history])
        if name == TUNING:
            return self._panels.tuning(rows_of(self.settings))
        return self._panels.validation() if name == VALIDATION else self._panels.test(name)


def _read(file: Path) -> _Report:
    try:
        return decode_json(read_file(file), _Report)
    except FileNotFoundError:
        raise NotFoundError(f"{file} does not exist: name a session, or the path of a final_report.json.") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not a final report: {error}.") from None
