"""The bond models on a user's own bonds: the same models and columns, real labels, and no known truth."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from core.arrays import AnyArray, BoolArray, FloatArray
from core.domains.bonds.checks.check_set import bond_checks
from core.domains.bonds.data.columns import BY_NAME, BondColumn, names
from core.domains.bonds.data.panel import CATEGORIES
from core.domains.bonds.models.anomaly import AnomalyModel
from core.domains.bonds.models.attainment import sound_rows
from core.domains.bonds.models.binary import DowngradeModel, LiquidityShockModel
from core.domains.bonds.models.derived import DERIVED
from core.domains.bonds.models.designs import ANOMALY_FOREST, SPREAD
from core.domains.bonds.models.spread import SpreadModel
from core.domains.bonds.models.spread_law import to_learning_scale
from core.domains.own_file import FileRequest, Judged, PreparedTraining, Unfit
from core.escape import shown, spelled_out
from core.models import Model, scores
from core.models.estimated_attainment import EstimatedAttainment
from core.models.model_stack import ModelStack
from core.models.outcomes import Outcomes, outcomes_of
from core.models.reweighing import Reweighing
from core.models.scores import row_losses
from core.models.slices import metrics_by_slice
from core.models.supervised import SupervisedModel
from core.tables import ReadingRules, TaskRequest, describe, read_table
from core.tables.held_rows import split_rows
from core.tables.signature import NUMERIC, ColumnKind, ColumnSignature, TableSignature, Task
from core.tables.table import Table
from core.tables.task import column_signature, outputs_of, with_target

ISSUER = "issuer_id"
_CLASSES: dict[str, type[Model]] = {
    kind.name: kind for kind in (SpreadModel, DowngradeModel, LiquidityShockModel, AnomalyModel)
}
_TASKS = {"regression": Task.REGRESSION, "classification": Task.CLASSIFICATION, "detection": Task.ANOMALY}
_KINDS = {
    "float": ColumnKind.NUMBER,
    "int": ColumnKind.INTEGER,
    "bool": ColumnKind.FLAG,
    "category": ColumnKind.CATEGORY,
    "string": ColumnKind.CATEGORY,
    "date": ColumnKind.TIME,
}


def prepare(table: Table, request: FileRequest) -> PreparedTraining | Unfit:
    """Prepare a user's bonds for a bond model, if the table has its columns.

    Raises:
        TableError: A cell contradicts the column dictionary.
    """
    found = _CLASSES.get(request.model)
    kind = found if found is None else found.trained_by(request.algorithm)
    if kind is None or request.target not in (None, kind.label) or request.task is not None:
        return Unfit()
    if lacking := lacking_columns(kind, table):
        more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        return Unfit(
            f"{request.model} is trained as a table model: the file lacks {', '.join(lacking[:3])}{more} of the "
            "columns that the bond model reads.",
            kind.label if kind.label in table.frame else None,
        )
    asked = TaskRequest(target=request.target or kind.label, drop_missing_target=request.drop_missing_target)
    table, dropped = with_target(table, asked) if kind.label in table.frame else (table, ())
    bonds = as_bonds(table)
    parameters = dict(request.parameters)
    model = TrainableBondModel.of(request.model, bonds, algorithm=request.algorithm, parameters=parameters)
    signature = model.signature
    assert signature is not None
    if signature.target is not None:
        # The requirements of any table: filled, of two classes or not constant, enough rows.
        describe(table, TaskRequest(target=signature.target, task=signature.task, group=signature.group))
    signature = msgspec.structs.replace(signature, time=request.time)
    classes = bonds[signature.target].to_numpy(dtype=np.float64) if signature.classes else np.zeros(len(bonds))
    if request.time is not None and request.time not in bonds:
        bonds = bonds.assign(**{request.time: table.frame[request.time]})
    split = split_rows(bonds, signature, classes, request.test_share, seed=request.split_seed)
    checks = bond_checks(
        (signature.target,) if signature.target in BY_NAME and request.model != SpreadModel.name else ()
    )
    notes = (*model.warnings, *map(spelled_out, (*dropped, *table.notes)))
    return PreparedTraining(model, signature, bonds, split, checks, notes)


def to_judge(
    model: Model, signature: TableSignature | None, data: Path, rules: ReadingRules, *, needs_target: bool = True
) -> Judged | None:
    """Prepare a user's bonds for the evaluation of a bond model.

    Args:
        model: The model.
        signature: Its inputs.
        data: The file.
        rules: How its columns are to be read.
        needs_target: Whether a file without the label is refused.
    Raises:
        TableError: The file cannot be read, or lacks columns of the model.
    """
    if model.name not in _CLASSES:
        return None
    table = read_table(data, rules=rules)
    optional = labels_of(type(model)) if not needs_target else tuple(set(labels_of(type(model))) - {model.label})
    if lacking := [name for name in lacking_columns(type(model), table) if name not in optional]:
        raise table.error(f"it lacks {', '.join(lacking[:5])}", "Add these columns: the bond model reads them.")
    return Judged(TrainableBondModel(model, signature), signature, table, as_bonds(table))


def columns_read(kind: type[Model]) -> tuple[str, ...]:
    """Return the columns of the bond dictionary that a bond model reads, in its order, without labels."""
    features: tuple[str, ...]
    if issubclass(kind, ModelStack):
        read = {ISSUER, "as_of_date"}
        features = kind.columns_of_members()
    elif issubclass(kind, SupervisedModel):
        read = {ISSUER, "as_of_date"}
        features = kind.design.columns
    else:
        read = set(names(role="id")) - {"isin_like"}
        features = (*SPREAD.columns, *ANOMALY_FOREST, "spread_bps")
    read |= {source for feature in features for source in DERIVED.sources(feature)}
    return tuple(name for name in BY_NAME if name in read)


def labels_of(kind: type[Model]) -> tuple[str, ...]:
    """Return the labels that a bond model learns from: its own, and of a stack those of its members."""
    if issubclass(kind, ModelStack):
        return tuple(member.label for member in kind.base_models.values())
    return () if issubclass(kind, AnomalyModel) else (kind.label,)


def lacking_columns(kind: type[Model], table: Table) -> tuple[str, ...]:
    """Return the columns of a bond model that a table lacks."""
    return tuple(name for name in [*columns_read(kind), *labels_of(kind)] if name not in table.frame)


def as_bonds(table: Table) -> pd.DataFrame:
    """Convert a table to the layout of the bond models; other columns are left out.

    Raises:
        TableError: A cell contradicts the column dictionary.
    """
    return pd.DataFrame(
        {name: _as_column(table, column) for name, column in BY_NAME.items() if name in table.frame}, copy=False
    )


class TrainableBondModel:
    """A bond model, evaluated on the user's rows alone.

    Attributes:
        model: The model.
        signature: Its columns.
    """

    def __init__(self, model: Model, signature: TableSignature | None = None) -> None:
        self.model = model
        self.signature = signature
        self._constant: FloatArray | None = None

    @classmethod
    def of(cls, name: str, frame: pd.DataFrame, *, algorithm: str, parameters: dict[str, Any]) -> "TrainableBondModel":
        """Make an untrained bond model for the bonds of a frame."""
        model = _CLASSES[name].trained_by(algorithm)(algorithm, parameters)
        task = _TASKS[model.task]
        classes = ("0", "1") if task is Task.CLASSIFICATION else ()
        signature = TableSignature(
            task=task,
            target=model.label if model.label in frame else None,
            target_kind=_KINDS[BY_NAME[model.label].kind],
            classes=classes,
            group=ISSUER,
            columns=tuple(_describe(frame[column], BY_NAME[column]) for column in columns_read(type(model))),
            outputs=outputs_of(task, model.label, classes),
        )
        return cls(model, signature)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The model's notes on how it is trained on this machine."""
        return self.model.warnings

    def fit(self, panel: pd.DataFrame, *, seed: int) -> None:
        """Learn."""
        self.model.fit(panel, seed=seed)
        self._learn_constant(panel)

    def why_not_continued(self) -> str | None:
        """Say why the model cannot learn on; None if it can."""
        return self.model.why_not_continued()

    def update(self, panel: pd.DataFrame, *, seed: int) -> None:
        """Learn on from new bonds."""
        self.model.update(panel, seed=seed)
        self._learn_constant(panel)

    def _learn_constant(self, panel: pd.DataFrame) -> None:
        if isinstance(self.model, SupervisedModel):
            self._constant = self._constant_of(self._rows(panel))

    def _constant_of(self, rows: pd.DataFrame) -> FloatArray:
        """Return the constant prediction with the least loss on rows: their mean, or the share of each class."""
        mean = float(rows[self.model.label].to_numpy(dtype=np.float64).mean())
        return np.array(mean if self.model.task == "regression" else [1.0 - mean, mean])

    def refit(self, panel: pd.DataFrame, *, seed: int) -> None:
        """Learn anew from other rows."""
        self.fit(panel, seed=seed)

    def cross_validate(self, frame: pd.DataFrame, *, seed: int) -> None:
        """Leave the measurement to issuers held out: these models learn in few ways, and have no method to choose."""

    def reweigh(self, frame: pd.DataFrame) -> Reweighing:
        """Let the weights of an ensemble follow the outcomes of bonds."""
        return self.model.reweigh(frame)

    def judge(self, frame: pd.DataFrame) -> scores.Metrics:
        """Measure on bonds; for spreads `mae` and `rmse` are basis points and `r2` is that of asinh(y / 10 bp),
        over rows that the table does not mark as anomalies."""
        rows = self._judged_rows(frame)
        return self._measure(rows, self.model.predict(rows), np.ones(len(rows), dtype=np.bool_))

    def losses(self, frame: pd.DataFrame) -> tuple[FloatArray, AnyArray]:
        """Return the loss of each bond that is judged, and the issuer of each as a code."""
        assert isinstance(self.model, SupervisedModel)
        rows = self.model.compared_rows(frame)
        losses = self.model.row_losses(self.model.target(rows), self.model.score(rows))
        return losses, np.asarray(pd.factorize(rows[ISSUER])[0])

    def judge_slices(self, frame: pd.DataFrame) -> dict[str, scores.Metrics]:
        """Measure by sector, region, and so on."""
        rows = self._judged_rows(frame)
        answer = self.model.predict(rows)
        columns = tuple(c for c in (self.signature.columns if self.signature else ()) if c.kind is ColumnKind.CATEGORY)
        return metrics_by_slice(rows, columns, lambda mask: self._measure(rows, answer, mask))

    def outcomes(self, frame: pd.DataFrame) -> Outcomes:
        """Answer bonds, and find the truth where the table has the label."""
        return outcomes_of(self.model, frame)

    def estimated_attainment(self, frame: pd.DataFrame, *, n_tables: int, seed: int) -> EstimatedAttainment | str:
        """Say why there is none: these models learn from panel to panel, not from tables drawn anew."""
        return f"it is estimated for table models, and {self.model.name} is a model of bonds"

    def feature_importance(self) -> dict[str, float]:
        """Return the importance of each column."""
        return self.model.feature_importance()

    def report(self) -> dict[str, Any]:
        """Return the candidates, the one that ships, and why."""
        features = [column.name for column in self.signature.columns] if self.signature else []
        return {**self.model.report(), "features": features}

    def save(self, folder: Path) -> list[Path]:
        """Write the model."""
        return self.model.save(folder)

    def _rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        return self.model.rows(frame) if isinstance(self.model, SupervisedModel) else frame

    def _judged_rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        # A spread marked as an error cannot be used for evaluation; sessions leave it out as well.
        return self._rows(frame[sound_rows(frame)] if self.model.name == SpreadModel.name else frame)

    def _measure(self, rows: pd.DataFrame, answer: FloatArray, mask: BoolArray) -> scores.Metrics:
        constant = self._constant
        if constant is None and not isinstance(self.model, AnomalyModel) and rows[self.model.label].nunique() > 1:
            constant = self._constant_of(rows)  # a loaded model does not know that of its training
        rows, answer = rows[mask], answer[mask]
        issuer = pd.factorize(rows[ISSUER])[0]
        if isinstance(self.model, AnomalyModel):
            flagged = float(np.mean(answer > self.model.threshold))
            if self.model.label not in rows:
                return {"flagged_share": flagged}
            happened = rows[self.model.label].to_numpy(dtype=np.float64)
            return {"flagged_share": flagged, **scores.ranking_metrics(happened, answer, issuer)}
        actual = rows[self.model.label].to_numpy(dtype=np.float64)
        if self.model.task == "classification":
            answer = np.stack((1.0 - answer, answer), axis=1)
            metrics = scores.classification_metrics(actual, answer, issuer)
        else:
            metrics = scores.regression_metrics(actual, answer, issuer)
            learned = to_learning_scale(actual), to_learning_scale(answer)
            on_learning_scale = scores.regression_metrics(*learned, issuer)
            metrics |= {name: on_learning_scale[name] for name in on_learning_scale if name.startswith(("r2", "loss"))}
        if constant is not None:
            without = row_losses(actual, np.broadcast_to(constant, answer.shape))
            unseen = scores.unseen_mistake(actual, answer)
            metrics |= scores.skill(row_losses(actual, answer), without, issuer, unseen=unseen)
        return metrics


def _describe(values: "pd.Series[Any]", column: BondColumn) -> ColumnSignature:
    kind = _KINDS[column.kind]
    allows_missing = column.nullable or column.can_lack or bool(values.isna().any())
    if column.kind in ("string", "date"):
        return ColumnSignature(name=column.name, kind=kind, allows_missing=allows_missing)
    found = column_signature(values, column.name, kind)
    levels = CATEGORIES.get(column.name, ())
    return ColumnSignature(
        name=column.name,
        kind=kind,
        allows_missing=allows_missing,
        least=found.least,
        most=found.most,
        levels=tuple(sorted(levels)),
    )


def _as_column(table: Table, column: BondColumn) -> Any:
    table.require_clear([column.name])
    values, found = table.frame[column.name], table.kinds[column.name]
    if column.kind == "category":
        return _as_category(table, column.name)
    if column.kind == "string":
        texts = values.map(
            lambda value: f"{value:.15g}" if isinstance(value, float) else str(value), na_action="ignore"
        )
        return texts.astype(object).to_numpy()
    if column.kind == "date" and values.isna().all():
        return np.full(len(values), np.datetime64("NaT", "s"))
    if (column.kind == "date") != (found is ColumnKind.TIME) or (column.kind != "date" and found not in NUMERIC):
        wanted = "a date, such as 2026-03-31" if column.kind == "date" else f"a number ({column.unit or column.kind})"
        cell = shown(str(values.iloc[0]))
        raise table.error(f"is not {wanted}", "Correct the column.", column=column.name, row=0, cell=cell)
    if column.kind == "date":
        return values.to_numpy().astype("datetime64[s]")
    numbers = values.to_numpy(dtype=np.float64)
    if column.kind == "float":
        return numbers
    if (is_between := numbers % 1 > 0).any():
        row = int(np.argmax(is_between))
        problem, fault = f"is {numbers[row]:g}, and must be a whole number", "a number that is not whole"
        raise table.error(problem, "Correct it.", column=column.name, row=row, fault=fault)
    if np.isnan(numbers).any():
        return numbers
    return numbers.astype(np.bool_ if column.kind == "bool" else np.int64)


def _as_category(table: Table, name: str) -> "pd.Categorical[Any]":
    values = table.frame[name]
    texts = values.astype(object).where(values.notna(), None)
    known = CATEGORIES[name]
    strange = (~texts.isin(known) & values.notna()).to_numpy()
    if strange.any():
        row = int(np.argmax(strange))
        cure = f"Known values: {', '.join(known)}."
        cell = shown(str(texts.iloc[row]))
        raise table.error(f"is not a known {name}", cure, column=name, row=row, cell=cell)
    return pd.Categorical(texts, dtype=pd.CategoricalDtype(list(known)))
