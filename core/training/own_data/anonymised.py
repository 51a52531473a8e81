"""A file without what leads to a person, and what that does to the quality of a model that learns from it."""

import tempfile
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from core.arrays import BoolArray
from core.domains.own_file import PreparedTraining
from core.errors import UsageError
from core.escape import shown
from core.explain.deny_list import DenyList, withholds_cells
from core.files import digest, write_file
from core.key_source import KeySource
from core.models.ensembles.improvement import improvement
from core.models.outcomes import losses_of
from core.output_files import require_new_output, write_new_output
from core.plain_files import read_file
from core.progress import begins
from core.protection import (
    AnonymisedTable,
    AnonymisingError,
    AnonymisingRequest,
    ReachedAnonymity,
    TreatedColumn,
    anonymise,
    key_of,
)
from core.seeds import derive_seed
from core.settings import ModelSettings, Settings, settings_in_force
from core.state import Workspace
from core.tables import ColumnKind, ReadingRules, Table, Task, read_table
from core.tables.data_files import WRITERS, DataFormat, arrow_table
from core.tables.rules import Manner
from core.tables.task import has_target
from core.training.own_data.preparation import prepare
from core.training.own_data.request import TrainRequest

_FORMATS: dict[str, DataFormat] = {".csv": "csv", ".parquet": "parquet", ".jsonl": "jsonl"}


class QualityOfAnonymised(msgspec.Struct, frozen=True, kw_only=True):
    """The same recipe, learned from the table as it was and from the anonymised table, on the same held-out rows.

    Attributes:
        target: What is predicted.
        loss: Its loss, in words.
        original_loss: Mean loss of the model that learned from the table as it was.
        anonymised_loss: Mean loss of the model that learned from the anonymised table, and is asked in its form.
        difference: The second less the first; above 0 where anonymising costs quality.
        low: Lower end of the 95 % interval of the difference; None of fewer than two groups.
        high: Upper end.
        n_rows: Rows compared.
        n_groups: Their groups.
        original: The method that was chosen for the table as it was.
        anonymised: The method that was chosen for the anonymised table.
    """

    target: str
    loss: str
    original_loss: float
    anonymised_loss: float
    difference: float
    low: float | None
    high: float | None
    n_rows: int
    n_groups: int
    original: str
    anonymised: str

    @property
    def sentence(self) -> str:
        """What was found."""
        interval = "no interval" if self.low is None else f"95 % from {self.low:+.4g} to {self.high:+.4g}"
        return (
            f"{self.loss} of {self.target}: {self.anonymised_loss:.4g} after, {self.original_loss:.4g} before, "
            f"{self.difference:+.4g} ({interval}) on {self.n_rows:,} held-out rows"
        )


class AnonymisedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was written without what leads to a person.

    Attributes:
        file: The file.
        sha256: Of its bytes.
        source_sha256: Of the file that it was made from.
        n_read: Rows read.
        n_written: Rows written.
        columns: What was done to each column.
        anonymity: Of the quasi-identifiers; None without any.
        quality: What it does to a model; None if it was not asked for.
        reading: How the file was read, a sentence each.
    """

    file: str
    sha256: str
    source_sha256: str
    n_read: int
    n_written: int
    columns: tuple[TreatedColumn, ...]
    anonymity: ReachedAnonymity | None
    quality: QualityOfAnonymised | None
    reading: tuple[str, ...] = ()


@withholds_cells
def anonymise_file(
    workspace: Workspace,
    file: Path,
    out: Path,
    request: AnonymisingRequest,
    *,
    key: KeySource | None = None,
    rules: ReadingRules | None = None,
    train: TrainRequest | None = None,
) -> AnonymisedFile:
    """Write a file without what leads to a person.

    Args:
        workspace: Its settings classify columns, name the key, and have the recipe of the comparison.
        file: The file to read.
        out: The new file: CSV, Parquet or JSON lines, by its name.
        request: What is to be done to its columns.
        key: Where the key of pseudonyms and noise is; by default where the settings say.
        rules: How its columns are to be read.
        train: What a model is to learn, if the quality is to be compared; its file is not looked at.
    Raises:
        AnonymisingError: It cannot be done as it was asked.
        TableError: The file cannot be used.
        KeySourceError: The key cannot be read.
        UsageError: The output exists already, is a link, or has no known format.
        RefusedError: The output is in a workspace.
    """
    require_new_output(out)
    if (wanted := _FORMATS.get(out.suffix.lower())) is None:
        raise UsageError(f"--out {out}: name a file that ends in {', '.join(_FORMATS)}.")
    settings, rules = settings_in_force(workspace.root), rules or ReadingRules()
    cells = DenyList.of_cells(settings).patterns
    table = read_table(file, rules=rules).without_quotes(cells)
    request = request.completed(table, settings.protection)
    if train is not None:
        for name in filter(None, (train.target, train.group, train.time)):
            if name in request.drop or (name in request.pseudonyms and name != train.group):
                raise AnonymisingError(f"{shown(name)} is needed to compare models, and its values do not stay.")
    told = table
    if unread := [name for name in request.pseudonyms if table.kinds[name] is not ColumnKind.CATEGORY]:
        # A number that names somebody is read as it is written: 007 is not 7, and 19 digits are more than a float has.
        manners = {**rules.manners, **dict.fromkeys(unread, (Manner.CATEGORY,))}
        told = read_table(file, rules=replace(rules, manners=manners)).without_quotes(cells)
    secret = key_of(settings.protection, workspace.root, key) if request.needs_key else None
    begins("anonymising")
    found = anonymise(told, request, settings.protection, secret)
    content, quality = _content(found, wanted), None
    if train is not None:
        again = _read_again(found, content, out)
        quality = _quality(table, found, again, replace(train, data=file), settings)
    write_new_output(out, content)
    return AnonymisedFile(
        file=str(out),
        sha256=digest(content),
        source_sha256=table.source.sha256,
        n_read=len(table),
        n_written=len(found.frame),
        columns=found.columns,
        anonymity=found.anonymity,
        quality=quality,
        reading=told.notes,
    )


def _content(found: AnonymisedTable, wanted: DataFormat) -> bytes:
    with tempfile.TemporaryDirectory(prefix="bondx-anonymised-") as place:
        file = Path(place) / f"anonymised.{wanted}"
        WRITERS[wanted](arrow_table(found.frame, metadata={}), file)
        return read_file(file)


def _read_again(found: AnonymisedTable, content: bytes, out: Path) -> Table:
    """Read the new file as who receives it does; errors name it by the place where it will be."""
    names = [each.name for each in found.columns if each.treatment == "pseudonym"]
    with tempfile.TemporaryDirectory(prefix="bondx-anonymised-") as place:
        file = Path(place) / out.name
        write_file(file, content, durable=False)
        table = read_table(file, rules=ReadingRules(manners=dict.fromkeys(names, (Manner.CATEGORY,))))
    return replace(table, source=replace(table.source, path=out))


def _quality(
    table: Table, found: AnonymisedTable, anonymised: Table, request: TrainRequest, settings: Settings
) -> QualityOfAnonymised:
    """Learn from both tables by the same recipe, and compare on rows that neither learned from.

    Each model is asked in the form of its own table, and both are judged by the target as it was. Rows left out of the
    anonymised table are learned by the first model alone, since that loss is a price of anonymising, too.
    """
    own = settings.models.get(request.model, ModelSettings())
    seed = derive_seed(settings.random_seed, "anonymised")
    begins("the model of the table as it was")
    before = prepare(table, request, own, random_seed=settings.random_seed)
    begins("the model of the anonymised table")
    after = prepare(anonymised, request, own, random_seed=settings.random_seed)
    signature = before.signature
    if signature.task is Task.ANOMALY or signature.target is None:
        raise AnonymisingError("The quality is compared of a model with a target: name it.")
    rows = np.arange(len(table))
    if request.drop_missing_target:
        rows = rows[has_target(table, signature.target)]
    kept = found.kept[rows]
    if len(before.frame) != len(rows) or len(after.frame) != int(kept.sum()):
        raise AnonymisingError(
            f"The quality of {request.model} cannot be compared: its rows are not those of the table, one for one."
        )
    if before.signature.classes != after.signature.classes:
        raise AnonymisingError(
            f"The anonymised table has other classes of {shown(signature.target)}, so losses cannot be compared: leave "
            "fewer rows out."
        )
    with threadpool_limits(1):
        before.model.fit(before.frame[before.split.learn], seed=seed)
        after.model.fit(after.frame[before.split.learn[kept]], seed=seed)
    held = before.split.held & kept
    if not held.any():
        raise AnonymisingError("No row that is held out stays in the anonymised table: leave fewer rows out.")
    return _compared(before, after, held, before.split.held[kept], seed=seed)


def _compared(
    before: PreparedTraining, after: PreparedTraining, held: BoolArray, held_after: BoolArray, *, seed: int
) -> QualityOfAnonymised:
    original = before.model.outcomes(before.frame[held])
    answered = replace(after.model.outcomes(after.frame[held_after]), actual=original.actual)
    unit, losses, others = losses_of(original, answered)
    group = before.signature.group
    groups = np.arange(len(losses)) if group is None else before.frame.loc[held, group].astype(object).to_numpy()
    known = np.isfinite(losses) & np.isfinite(others)
    found = improvement(losses[known], others[known], groups[known].astype(str), seed=seed)
    return QualityOfAnonymised(
        target=str(before.signature.target),
        loss=unit,
        original_loss=found.single_loss,
        anonymised_loss=found.single_loss - found.value,
        difference=-found.value,
        low=-found.high if np.isfinite(found.high) else None,
        high=-found.low if np.isfinite(found.low) else None,
        n_rows=found.n_rows,
        n_groups=found.n_groups,
        original=str(before.model.report().get("ships", "")),
        anonymised=str(after.model.report().get("ships", "")),
    )
