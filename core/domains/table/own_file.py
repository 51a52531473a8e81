"""A user's own table, prepared for the training or evaluation of the table model."""

from pathlib import Path

from core.domains.own_file import FileRequest, Judged, PreparedTraining
from core.domains.table.checks import table_checks
from core.domains.table.models.model import TableModel
from core.models import Model
from core.tables import ColumnKind, Table, TableSignature, Task, TaskRequest, describe, read_table
from core.tables.held_rows import split_rows


def prepare(table: Table, request: FileRequest) -> PreparedTraining:
    """Describe a table, and hold out rows.

    Raises:
        TableError: The table cannot be used.
        UnknownAlgorithmError, UnknownParameterError: It cannot be trained that way.
    """
    wanted = TaskRequest(target=request.target, task=request.task, group=request.group, time=request.time)
    signature = describe(table, wanted)
    model = TableModel.described(signature, algorithm=request.algorithm, parameters=request.parameters)
    target = model.target_of(table.frame)
    split = split_rows(table.frame, signature, target, request.test_share, seed=request.split_seed)
    ignored = tuple(f"{column.name} is not used: it {column.reason}." for column in signature.ignored)
    checks = table_checks(signature.names)
    return PreparedTraining(model, signature, table.frame, split, checks, (*model.warnings, *ignored))


def to_judge(model: Model, data: Path) -> Judged | None:
    """Read a file as the model's training table was read.

    Raises:
        TableError: The file cannot be read.
    """
    if not isinstance(model, TableModel):
        return None
    table = read_table(data, kinds=_kinds(model.signature))
    return Judged(model, model.signature, table, table.frame)


def _kinds(signature: TableSignature | None) -> dict[str, ColumnKind]:
    assert signature is not None
    kinds = dict(signature.kinds)
    if signature.target and signature.target_kind:
        # A column of whole numbers may later have decimals; classes are compared by spelling.
        is_number = signature.task is Task.REGRESSION and signature.target_kind is ColumnKind.INTEGER
        kinds[signature.target] = ColumnKind.NUMBER if is_number else signature.target_kind
    return kinds
