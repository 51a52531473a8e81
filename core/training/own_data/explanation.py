"""Why a registered version answers as it does: of one row, or as a whole."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import numpy as np
import pandas as pd

from core.arrays import FloatArray, IntArray
from core.domains.catalogue import load_model
from core.domains.domain import DrawRequest
from core.domains.registry import session_domain, session_domain_names
from core.errors import CoreError, NotFoundError, UsageError
from core.escape import shown
from core.explain.comparison import ImportanceChange, compare_explanations
from core.explain.conformal import Conformal, ConformalError
from core.explain.deny_list import DenyList
from core.explain.documents import AnswerInterval, GlobalExplanation, LocalExplanation
from core.explain.explainer import N_PAIRS, ContributionTable, Explainer, ExplainMethod
from core.explain.global_explanation import N_ROWS
from core.explain.local_explanation import explain_row
from core.explain.parts import TreeReading
from core.files import remove_file, write_file
from core.json_documents import decode_json
from core.models import Model
from core.monitoring import dependence
from core.monitoring.data_profile import DataProfile, ProfileError
from core.monitoring.estimation.held_out import HeldOutError, HeldOutRows
from core.plain_files import read_file
from core.progress import begins
from core.protection import Masking, columns_of
from core.registry import ModelVersion, Registry
from core.seeds import derive_seed
from core.settings import settings_in_force
from core.settings.explanation import ExplanationSettings
from core.state import Workspace
from core.tables import ReadingRules, Table, TableSignature, read_table
from core.training.explaining import N_PAIRS_OF_MANY, asked_columns, background_of, report_of
from core.training.own_data.batch import read_batch
from core.training.own_data.given_rows import rows_as_file
from core.training.own_data.version_choice import chosen_version
from core.training.version_profile import profile_of_version

CACHE: Final = "explanations"
MOST_CACHED: Final = 200
N_DRAWN: Final = 2_000

StoredReport = TypeVar("StoredReport", bound=msgspec.Struct)


class VersionExplanation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a version relies on."""

    model: str
    version: str
    stage: str
    rows: str  # which rows were explained, in words
    data_sha256: str = ""
    report: GlobalExplanation
    reading: tuple[str, ...] = ()  # how the file was read, a sentence each


class RowExplanation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a version answers a row as it does."""

    model: str
    version: str
    stage: str
    rows: str  # which row was explained, in words
    data_sha256: str = ""
    report: LocalExplanation
    reading: tuple[str, ...] = ()  # how the file was read, a sentence each


class ComparedExplanations(msgspec.Struct, frozen=True, kw_only=True):
    """What two versions of a model rely on."""

    model: str
    before: str
    after: str
    scales: tuple[str, str]
    algorithms: tuple[str, str]
    features: tuple[ImportanceChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainRequest:
    """What to explain, and how.

    Attributes:
        model: The model.
        version: Its number; by default the live version, else the newest.
        data: A file with the rows; by default the rows that the version keeps, or rows that its domain draws.
        row: The position of one row, from 0, or its cells; None to explain the version as a whole.
        method: How contributions are computed.
        output: Of several classes the one to explain.
        reference_row: The position of the row that the explained row is compared with, instead of the mean.
        turn: Also search the smallest change after which the answer is, for instance, `>=0.5`; empty: after which the
            model decides otherwise.
        fixed: Columns that this search may not change.
        interval: The level of a conformal interval of the answer, such as 0.9.
        n_rows: How many rows explain a version; by default 500.
        interactions: Whether to measure how much pairs of columns do together, too; of a version as a whole.
        reading: How columns of the file are to be read, beyond what the signature says.
    """

    model: str
    version: str | None = None
    data: Path | None = None
    row: int | Mapping[str, Any] | None = None
    method: ExplainMethod = ExplainMethod.AUTO
    output: str | None = None
    reference_row: int | None = None
    turn: str | None = None
    fixed: Sequence[str] = ()
    interval: float | None = None
    n_rows: int | None = None
    interactions: bool = False
    reading: ReadingRules | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """Rows to explain, or to compare with."""

    frame: pd.DataFrame
    words: str
    units: IntArray | None = None
    actual: FloatArray | None = None
    sha256: str = ""
    reading: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Turn days, as artifacts hold them, into times, as files and requests bring them: they cannot be compared."""
        object.__setattr__(self, "frame", _with_times(self.frame))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    """A version, ready to be explained."""

    version: ModelVersion
    model: Model
    signature: TableSignature | None
    profile: DataProfile | ProfileError
    held_out: HeldOutRows | None
    conformal: Conformal | ConformalError
    settings: ExplanationSettings
    cells: DenyList  # the columns whose cells no refusal quotes


def explain_version(workspace: Workspace, request: ExplainRequest) -> VersionExplanation:
    """Explain what a version relies on; the same question of the same version and file is answered from the cache.

    Raises:
        NotFoundError: There is no such model or version.
        NotAdditiveError: The model has no explanation by this method.
        TableError: The file cannot be used.
        UsageError: The request contradicts itself, or there are no rows to explain.
        HashMismatchError: The version's files differ from the registered files.
    """
    if any(each is not None for each in (request.turn, request.reference_row, request.interval)) or request.fixed:
        raise UsageError("A change, fixed columns, a reference row and an interval go with one row.")
    loaded = _load(workspace, request)
    rows = _rows_to_explain(loaded, request)
    key = _key(loaded.version, request, loaded.settings, rows.sha256)
    return _cached(workspace, key, VersionExplanation, lambda: _explained(loaded, rows, request))


def compare_explained(workspace: Workspace, request: ExplainRequest, against: str) -> ComparedExplanations:
    """Explain two versions of a model on the same terms, and compare what they rely on.

    Args:
        workspace: Where they are registered.
        request: The version after the change, and how to explain.
        against: The number of the version before.
    Raises:
        UsageError, NotFoundError, HashMismatchError: As `explain_version`.
    """
    after = explain_version(workspace, request)
    before = explain_version(workspace, replace(request, version=against))
    return ComparedExplanations(
        model=after.model,
        before=before.version,
        after=after.version,
        scales=(before.report.scale, after.report.scale),
        algorithms=(before.report.algorithm, after.report.algorithm),
        features=compare_explanations(before.report, after.report),
    )


def explain_rows(
    workspace: Workspace, request: ExplainRequest, rows: Sequence[Mapping[str, Any]]
) -> VersionExplanation:
    """Explain what a version relies on by given rows, as `explain_version` does by those of a file; nothing is stored.

    Raises:
        UsageError, NotFoundError, HashMismatchError: As `explain_version`.
    """
    loaded = _load(workspace, request)
    with rows_as_file(rows) as file:
        found = _of_file(loaded, file, request.reading, words="the given rows")
    return _explained(loaded, replace(found, sha256=""), request)


def explain_one(workspace: Workspace, request: ExplainRequest) -> RowExplanation:
    """Explain why a version answers one row as it does.

    Raises:
        NotFoundError: There is no such model, version or row.
        NotAdditiveError: The model has no explanation by this method.
        TableError: The file cannot be used.
        UsageError: The request contradicts itself, or there are no reference rows.
        HashMismatchError: The version's files differ from the registered files.
    """
    if request.interactions:
        raise UsageError("Interactions are of a whole version: leave the row out.")
    if request.reference_row is not None and request.method is ExplainMethod.PATH_DEPENDENT:
        raise UsageError("A reference row is a background; the path-dependent reading compares with the training rows.")
    loaded = _load(workspace, request)
    if isinstance(request.row, Mapping):
        nearby = _reference(loaded, request)
        with rows_as_file([request.row]) as file:
            given = _of_file(loaded, file, request.reading, words="the given row")
        row = given.frame.head(1)
        rows, words = nearby, given.words
    else:
        rows = nearby = _rows_to_explain(loaded, request)
        row, words = _row(rows, request.row or 0), f"row {request.row or 0} of {rows.words}"
    denied = DenyList.of(loaded.settings)
    if request.reference_row is None:
        against = _reference(loaded, request) if request.data is not None else nearby
        background, reference = background_of(against.frame, against.words, loaded.settings)
    else:
        background = _row(nearby, request.reference_row)
        reference = f"row {request.reference_row} of {nearby.words}"
    row = _complete(row, background)
    explainer = Explainer(
        loaded.model,
        background,
        columns=_columns(loaded, nearby.frame),
        method=request.method,
        reading=TreeReading.PATH_DEPENDENT if request.reference_row is None else TreeReading.BACKGROUND,
        output=request.output,
        n_pairs=N_PAIRS,
    )
    interval, notes = _interval(loaded, explainer, row, request.interval)
    begins("the explanation")
    report = explain_row(
        explainer,
        row,
        nearby.frame,
        reference=reference,
        actual=None if denied.denies(_target(loaded)) else nearby.actual,
        turn=request.turn,
        fixed=_fixed(loaded, row, request.fixed),
        own_place=None if isinstance(request.row, Mapping) or rows is not nearby else request.row or 0,
        interval=interval,
        denied=denied,
        notes=notes,
    )
    return RowExplanation(
        model=loaded.version.model,
        version=loaded.version.version,
        stage=loaded.version.stage,
        rows=words,
        data_sha256=rows.sha256,
        report=_with_masks(report, Masking.in_force(workspace.root)),
        reading=rows.reading,
    )


def _with_masks(report: LocalExplanation, masking: Masking) -> LocalExplanation:
    """Show the values of personal columns of a row as the settings say; what they contribute is told as it is."""
    turned = report.counterfactual
    if turned is not None:
        changes = (
            msgspec.structs.replace(
                each, before=masking.shown(each.feature, each.before), after=masking.shown(each.feature, each.after)
            )
            if masking.hides(each.feature)
            else each
            for each in turned.changes
        )
        turned = msgspec.structs.replace(turned, changes=tuple(changes))
    parts = (
        msgspec.structs.replace(each, value=masking.shown(each.feature, each.value))
        if masking.hides(each.feature)
        else each
        for each in report.contributions
    )
    return msgspec.structs.replace(report, contributions=tuple(parts), counterfactual=turned)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedExplainer:
    """A version that is ready to explain rows as a whole version is explained.

    Attributes:
        explainer: Of the version.
        background: The reference rows.
        reference: What they are, in words.
    """

    explainer: Explainer
    background: pd.DataFrame
    reference: str

    def contributions(self, rows: pd.DataFrame) -> ContributionTable:
        """Return the contributions to rows in the layout of a request."""
        return self.explainer.contributions(_complete(rows, self.background))


def prepared_explainer(workspace: Workspace, request: ExplainRequest) -> PreparedExplainer:
    """Load a version with its reference rows, to explain rows that come later.

    Raises:
        UsageError, NotFoundError, HashMismatchError: As `explain_version`.
    """
    loaded = _load(workspace, request)
    against = _reference(loaded, request)
    background, reference = background_of(against.frame, against.words, loaded.settings)
    explainer = Explainer(
        loaded.model,
        background,
        columns=_columns(loaded, against.frame),
        method=request.method,
        output=request.output,
        n_pairs=N_PAIRS_OF_MANY,
    )
    return PreparedExplainer(explainer=explainer, background=background, reference=reference)


def _interval(
    loaded: _Loaded, explainer: Explainer, row: pd.DataFrame, level: float | None
) -> tuple[AnswerInterval | None, tuple[str, ...]]:
    """Return the interval of a number; of a class, a sentence with the set of classes."""
    if level is None:
        return None, ()
    if isinstance(loaded.conformal, ConformalError):
        raise loaded.conformal
    if not loaded.conformal.classes:
        return loaded.conformal.interval(float(explainer.predict(row)[0]), level), ()
    answer = np.asarray(loaded.model.predict(loaded.model.as_strangers(row)), dtype=np.float64)
    kept, _ = loaded.conformal.radius(level)
    found = ", ".join(loaded.conformal.classes_of(answer, level)[0]) or "empty: no class is likely enough"
    return None, (f"The set of classes of level {kept:g} is {found} ({loaded.conformal.method}).",)


def _explained(loaded: _Loaded, rows: _Rows, request: ExplainRequest) -> VersionExplanation:
    against = _reference(loaded, request)
    background, reference = background_of(against.frame, against.words, loaded.settings)
    begins("the explanation")
    report = report_of(
        loaded.model,
        rows.frame,
        background,
        _asked(loaded, rows.frame),
        loaded.settings,
        reference=reference,
        units=rows.units,
        n_rows=N_ROWS if request.n_rows is None else request.n_rows,
        method=request.method,
        output=request.output,
        interactions=request.interactions,
    )
    return VersionExplanation(
        model=loaded.version.model,
        version=loaded.version.version,
        stage=loaded.version.stage,
        rows=rows.words,
        data_sha256=rows.sha256,
        report=report,
        reading=rows.reading,
    )


def _load(workspace: Workspace, request: ExplainRequest) -> _Loaded:
    registry, settings = Registry(workspace), settings_in_force(workspace.root)
    chosen = chosen_version(registry, request.model, request.version, None)
    with registry.opened(chosen.model, chosen.version) as folder:
        profile: DataProfile | ProfileError
        try:
            profile = profile_of_version(registry, chosen.model, chosen.version)
        except ProfileError as error:
            profile = error
        try:
            held_out = HeldOutRows.read(folder, chosen.key)
        except HeldOutError:
            held_out = None
        conformal: Conformal | ConformalError
        try:
            conformal = Conformal.read(folder, chosen.key)
        except ConformalError as error:
            conformal = error
        return _Loaded(
            version=chosen,
            model=load_model(folder),
            signature=TableSignature.read(folder),
            profile=profile,
            held_out=held_out,
            conformal=conformal,
            settings=settings.explanation,
            cells=DenyList.of_cells(settings),
        )


def _rows_to_explain(loaded: _Loaded, request: ExplainRequest) -> _Rows:
    if request.data is not None:
        return _of_file(loaded, request.data, request.reading, words=f"the rows of {request.data.name}")
    return _reference(loaded, request)


def _reference(loaded: _Loaded, request: ExplainRequest) -> _Rows:
    """Return the rows that stand for the population: kept by the version, drawn by its domain, or those of the file."""
    held = loaded.held_out
    if held is not None:
        frame = held.rows.assign(**dict.fromkeys(held.masked, np.nan)) if held.masked else held.rows
        words = f"{len(held):,} rows that the version kept, which it did not learn from"
        return _Rows(frame=frame, words=words, units=held.units, actual=held.actual)
    if (drawn := _drawn(loaded.version)) is not None:
        return drawn
    if request.data is not None:
        return _of_file(loaded, request.data, request.reading, words=f"the rows of {request.data.name}")
    raise UsageError(
        f"{loaded.version.key} keeps no rows that could be explained or compared with: name a file with --data."
    )


def _drawn(version: ModelVersion) -> _Rows | None:
    """Draw rows as the version's session would; None for a version that learned from a file."""
    data = version.lineage.get("data")
    if not isinstance(data, Mapping) or "draws" not in data:
        return None
    for name in session_domain_names():
        domain = session_domain(name)
        if version.model in domain.models:
            seed = int(version.lineage.get("random_seed", 0))
            request = DrawRequest("draw", N_DRAWN, derive_seed(seed, "explanation"), seed, domain.settings())
            frame = domain.draw(request).frame.reset_index(drop=True)
            group = domain.group_column
            units = dependence.group_numbers(frame[group]) if group is not None else None
            return _Rows(frame=frame, words=f"{len(frame):,} rows newly drawn by the domain {name}", units=units)
    return None


def _of_file(loaded: _Loaded, path: Path, reading: ReadingRules | None, *, words: str) -> _Rows:
    with loaded.cells.withholding():
        return _read(loaded, path, reading, words=words)


def _read(loaded: _Loaded, path: Path, reading: ReadingRules | None, *, words: str) -> _Rows:
    rules = replace(reading or ReadingRules(), lenient=True)
    group, actual, note = "", None, ""
    if isinstance(loaded.profile, ProfileError):
        table = read_table(path, rules=rules).without_quotes(loaded.cells.patterns)
        frame = table.frame
    else:
        batch = read_batch(loaded.model, loaded.signature, loaded.profile, path, rules, loaded.cells)
        table, frame, group, note = batch.table, batch.frame, loaded.profile.group or "", batch.note
        actual = None if batch.outcomes is None else batch.outcomes.actual
    if lacking := [name for name in _asked(loaded, frame) if name not in frame]:
        raise UsageError(f"{words[:1].upper()}{words[1:]}: {', '.join(lacking)} missing. The model reads them.")
    try:  # a request needs fewer columns than a file that is trained on
        loaded.model.predict(loaded.model.as_strangers(frame.head(1)))
    except (CoreError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise UsageError(
            f"{words[:1].upper()}{words[1:]}: {(note or loaded.cells.told(error)).removesuffix('.')}."
        ) from None
    units = dependence.group_numbers(frame[group]) if group and group in frame else None
    return _Rows(
        frame=frame.reset_index(drop=True),
        words=words,
        units=units,
        actual=actual,
        sha256=table.source.sha256,
        reading=DenyList.of(loaded.settings).silent(
            (*table.notes, *_unread(table, _asked(loaded, frame))), map(str, table.kinds)
        ),
    )


def _unread(table: Table, asked: Iterable[str]) -> Iterator[str]:
    """Say how many cells of the columns that the model reads are unknown to the explanation."""
    for name in asked:
        if n := table.unreadable.get(name, 0):
            cells = "1 filled cell" if n == 1 else f"{n:,} filled cells"
            yield f"{shown(name)}: {cells} could not be read, and count as missing."


def _row(rows: _Rows, place: int) -> pd.DataFrame:
    if not 0 <= place < len(rows.frame):
        raise NotFoundError(
            f"There is no row {place} among {rows.words}: they are numbered 0 to {len(rows.frame) - 1}."
        )
    return rows.frame.iloc[[place]].reset_index(drop=True)


def _fixed(loaded: _Loaded, row: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Leave out columns of the table that the model does not read, such as its group: no change moves them anyway."""
    unread = set() if loaded.signature is None else {*columns_of(loaded.signature)} - {*map(str, row)}
    return [name for name in names if name not in unread]


def _target(loaded: _Loaded) -> str:
    """Name the column whose outcomes the rows have."""
    return (loaded.signature.target if loaded.signature is not None else None) or loaded.model.label


def _complete(row: pd.DataFrame, like: pd.DataFrame) -> pd.DataFrame:
    """Give a row the columns that only the reference has, empty."""
    lacking = {str(name): np.nan for name in like if name not in row}
    return row.assign(**lacking) if lacking else row


def _with_times(frame: pd.DataFrame) -> pd.DataFrame:
    days = [name for name in frame if pd.api.types.infer_dtype(frame[name], skipna=True) == "date"]
    return frame.assign(**{str(name): pd.to_datetime(frame[name]) for name in days}) if days else frame


def _columns(loaded: _Loaded, frame: pd.DataFrame) -> tuple[str, ...]:
    """Name the columns that the model is asked about."""
    asked = _asked(loaded, frame) or tuple(map(str, frame.columns))
    return tuple(name for name in asked if name in frame and name != loaded.model.label)


def _asked(loaded: _Loaded, frame: pd.DataFrame) -> tuple[str, ...]:
    """Name the columns of a request."""
    known = [str(name) for name in frame]
    return asked_columns(loaded.model, known, loaded.signature.names if loaded.signature is not None else ())


def _key(version: ModelVersion, request: ExplainRequest, settings: ExplanationSettings, sha256: str) -> str:
    asked = [
        version.manifest_sha256, request.method, request.output, request.n_rows, request.interactions, sha256,
        settings, request.reading,
    ]  # fmt: skip
    return hashlib.sha256(repr(asked).encode()).hexdigest()


def _cached(
    workspace: Workspace, key: str, kind: type[StoredReport], compute: Callable[[], StoredReport]
) -> StoredReport:
    folder = workspace.cache_dir / CACHE
    path = folder / f"{key}.json"
    try:
        return decode_json(read_file(path), kind)
    except (OSError, msgspec.DecodeError):
        pass
    found = compute()
    write_file(path, msgspec.json.encode(found), durable=False)
    for old in sorted(folder.glob("*.json"), key=_written_at)[:-MOST_CACHED]:
        remove_file(old)
    return found


def _written_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:  # another process has just removed it
        return 0
