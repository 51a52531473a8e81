"""A user's own table, prepared for the training or evaluation of the table model."""

from dataclasses import replace
from pathlib import Path

from core.domains.own_file import FileRequest, Judged, PreparedTraining
from core.domains.table.checks import table_checks
from core.domains.table.models.model import TableModel
from core.escape import spelled_out
from core.models import Model
from core.tables import ColumnKind, ReadingRules, Table, TableSignature, Task, TaskRequest, describe, read_table
from core.tables.held_rows import split_rows
from core.tables.periods import with_instants
from core.tables.task import told_task, with_target


def prepare(table: Table, request: FileRequest) -> PreparedTraining:
    """Describe a table, and hold out rows.

    Raises:
        TableError: The table cannot be used.
        UnknownAlgorithmError, UnknownParameterError: It cannot be trained that way.
    """
    wanted = TaskRequest(
        target=request.target,
        task=request.task,
        group=request.group,
        time=request.time,
        keep=request.keep,
        drop_missing_target=request.drop_missing_target,
    )
    table, dropped = with_target(with_instants(table, request.time), wanted)
    signature = describe(table, wanted)
    model = TableModel.described(signature, algorithm=request.algorithm, parameters=request.parameters)
    target = model.target_of(table.frame)
    seed = model.dealing_seed(table.frame, request.split_seed)
    split = split_rows(table.frame, signature, target, request.test_share, seed=seed)
    notes = (*told_task(table, signature, wanted), *dropped, *table.notes, *left_out(signature))
    checks = table_checks(signature.names)
    return PreparedTraining(model, signature, table.frame, split, checks, (*model.warnings, *map(spelled_out, notes)))


def to_judge(model: Model, data: Path, rules: ReadingRules) -> Judged | None:
    """Read a file as the model's training table was read.

    Raises:
        TableError: The file cannot be read.
    """
    if not isinstance(model, TableModel):
        return None
    table = read_table(data, rules=_rules(model.signature, rules))
    return Judged(model, model.signature, table, table.frame)


def left_out(signature: TableSignature) -> tuple[str, ...]:
    """Tell which columns are not used, and why."""
    return tuple(f"{column.name} is not used: it {column.reason}." for column in signature.ignored)


def _rules(signature: TableSignature | None, rules: ReadingRules) -> ReadingRules:
    """Read columns as the training data was read, and no others."""
    assert signature is not None
    roles = (signature.target, signature.group, signature.time)
    return replace(
        rules,
        kinds=_kinds(signature),
        forms=signature.forms,
        missing=(*signature.missing_words, *rules.missing),
        only=frozenset({*signature.names, *(name for name in roles if name is not None)}),
    )


def _kinds(signature: TableSignature) -> dict[str, ColumnKind]:
    kinds = dict(signature.kinds)
    if signature.target and signature.target_kind:
        # A column of whole numbers may later have decimals; classes are compared by spelling.
        is_number = signature.task is Task.REGRESSION and signature.target_kind is ColumnKind.INTEGER
        kinds[signature.target] = ColumnKind.NUMBER if is_number else signature.target_kind
    return kinds
