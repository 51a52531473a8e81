"""`DriftMonitor`: has the data drifted from the training data of a model, and is retraining due?"""

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from core.api import MLOpsConfig
from core.api.arguments import checked
from core.errors import UsageError
from core.escape import shown

if TYPE_CHECKING:
    import pandas as pd

    from core.monitoring.documents import DriftPart
    from core.monitoring.drift_check import DriftReport
    from core.tables import ReadingRules, Table

TableLike: TypeAlias = "pd.DataFrame | Mapping[str, Any] | Path | str"
"""A data frame, columns by name, or a CSV, Parquet or JSON-lines file."""


@dataclass(frozen=True, slots=True)
class DataDriftReport:
    """The outcome of one comparison.

    Attributes:
        model_name: The model whose policy decided what matters.
        model_version: The version that the baseline belongs to.
        target_column: The column that the model predicts, if it was compared.
        reports: The reports on the features and, if they were named, on the target and on the residuals.
    """

    model_name: str
    model_version: str
    target_column: str | None
    reports: "tuple[DriftReport, ...]"

    @property
    def missing_columns(self) -> tuple[str, ...]:
        """The columns that current_data does not have."""
        return tuple(name for report in self.reports for name in report.lost)

    @property
    def requires_retraining(self) -> bool:
        """Whether a column has significantly drifted beyond its limit, or is missing."""
        alarms = any(found.verdict == "alarm" for report in self.reports for found in report.features)
        return alarms or bool(self.missing_columns)

    @property
    def drifted_features(self) -> tuple[str, ...]:
        """The columns that have significantly drifted, worst first; a watched column may be harmless."""
        return tuple(
            found.feature
            for verdict in ("alarm", "watch")
            for report in self.reports
            for found in report.features
            if found.verdict == verdict
        )

    @property
    def inconclusive_features(self) -> tuple[str, ...]:
        """The columns with too few rows to rule out a drift that matters; the reports give the rows needed."""
        return tuple(
            found.feature for report in self.reports for found in report.features if found.verdict == "inconclusive"
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What the verdicts assume, where the tables speak against it."""
        return tuple(dict.fromkeys(note for report in self.reports for note in report.notes))

    @property
    def overall_drift_score(self) -> float:
        """The largest population stability index of any column, in nats; 0 where none could be measured.

        The largest and not the mean: many stable columns do not make up for one that has drifted far.
        """
        return max((found.psi or 0.0 for report in self.reports for found in report.features), default=0.0)

    @property
    def summary(self) -> str:
        """One sentence for people."""
        verdict = "retraining is due" if self.requires_retraining else "no retraining is due"
        found = [f"{', '.join(self.drifted_features) or 'no column'} drifted"]
        if self.inconclusive_features:
            found.append(f"{', '.join(self.inconclusive_features)} cannot be judged yet")
        if self.missing_columns:
            found.append(f"{', '.join(self.missing_columns)} cannot be compared, missing from the current data")
        return f"{self.model_name} {self.model_version}: {'; '.join(found)}; {verdict}."


_WEIGHTS = (3, 1, 1)  # the shares of features, target and residuals in the level of the whole check


class DriftMonitor:
    """Compares tables under the drift policy of a model."""

    @checked
    def __init__(self, config: MLOpsConfig | None = None) -> None:
        """Open the monitor; by default with the policy that `MLOpsConfig.from_yaml()` finds."""
        self._config = config or MLOpsConfig.from_yaml()

    @checked
    def detect_drift(
        self,
        model_name: str,
        model_version: str,
        baseline_data: TableLike,
        current_data: TableLike,
        feature_columns: Sequence[str] | None = None,
        target_column: str | None = None,
        residual_column: str | None = None,
        group: str | None = None,
        block: int | None = None,
    ) -> DataDriftReport:
        """Compare current data with baseline data, column by column.

        Args:
            model_name: Whose policy says which size of drift matters (`drift.feature`, `drift.target`,
                `drift.residual`).
            model_version: The version that the baseline belongs to; it is noted in the report.
            baseline_data: The baseline, for example the training data of the version.
            current_data: The data to compare with the baseline.
            feature_columns: The columns to compare; by default all of baseline_data but target and residuals.
            target_column: Compared under a limit of its own.
            residual_column: What the model's predictions were off by, where outcomes are known; compared under a
                limit of its own.
            group: The column that names what rows belong to (an issuer, a client), if rows of one group resemble each
                other; it is not compared unless feature_columns names it.
            block: For rows in the order of time: how many consecutive rows form a block. It should be several times
                longer than rows remember each other.
        Returns:
            The report. A verdict is never a bare cut-off: an effect counts when it is both large enough and certain.
            If nothing has moved, any column is watched or alarms with a probability of at most 5 %: features,
            target and residuals share that level. That holds for one check, not for a month of daily checks, and for
            rows that are independent unless group or block is given; the notes say where rows look dependent. A
            column that cannot be read is an alarm, never an exception.
        Raises:
            TableError: A table cannot be used.
            UsageError: The baseline lacks a column that was named, a column is named twice, nothing is left to
                compare, or the group or the block cannot be used.
        """
        from core.monitoring.dependence import units_of
        from core.monitoring.drift_check import check_drift, kinds_to_read
        from core.monitoring.moved import LEVEL
        from core.tables import ReadingRules

        if isinstance(feature_columns, str):
            raise UsageError(f"feature_columns is {shown(feature_columns)}; it must be a list of column names.")
        rules = self._config.for_model(model_name).drift
        baseline = read_table_like(baseline_data, "baseline_data")
        reading = ReadingRules(kinds=kinds_to_read(baseline.kinds), forms=baseline.forms)
        current = read_table_like(current_data, "current_data", reading)
        targets, residuals = ([name] if name is not None else [] for name in (target_column, residual_column))
        features = (
            list(feature_columns)
            if feature_columns is not None
            else [name for name in baseline.kinds if name not in (*targets, *residuals, group)]
        )
        _require_known([*features, *targets, *residuals], list(baseline.kinds))
        compared = [
            (columns, matters, weight)
            for columns, matters, weight in (
                (features, rules.feature, _WEIGHTS[0]),
                (targets, rules.target, _WEIGHTS[1]),
                (residuals, rules.residual, _WEIGHTS[2]),
            )
            if columns
        ]
        if not compared:
            raise UsageError("There is no column to compare: feature_columns is empty and no target_column is named.")
        units = units_of(baseline.frame, current.frame, group, block)
        reports = [
            check_drift(
                baseline.frame,
                current.frame,
                {name: baseline.kinds[name] for name in columns},
                matters=matters,
                level=LEVEL * weight / sum(weight for *_, weight in compared),
                unreadable=(baseline.unreadable, current.unreadable),
                infinite=(baseline.infinite, current.infinite),
                units=units,
            )
            for columns, matters, weight in compared
        ]
        return DataDriftReport(model_name, model_version, target_column, tuple(reports))

    @checked
    def live_drift(self, model_name: str) -> "DriftPart | None":
        """Return the verdict on what servers are asked, and answer, with the live version of a model.

        The engine takes it minute by minute, so that it holds however often it is read; `columns` has each column with
        its evidence, its effect and since when it has moved.

        Args:
            model_name: A model with a version in Production.
        Returns:
            The verdict; None before rows have been counted, and for a version without a profile.
        Raises:
            NotFoundError: No version of it is live, or no engine has looked at it yet.
        """
        from core.monitoring.monitoring_store import MonitoringStore

        return MonitoringStore(self._config.workspace).get(model_name).live.drift


def _require_known(names: list[str], known: list[str]) -> None:
    if twice := [name for name, n in Counter(names).items() if n > 1]:
        raise UsageError(f"The column {twice[0]!r} is named twice; name each column once.")
    for name in names:
        if name not in known:
            raise UsageError(f"baseline_data has no column {name!r}. Its columns: {', '.join(known)}.")


def read_table_like(table: TableLike, argument: str, rules: "ReadingRules | None" = None) -> "Table":
    """Read a table under the rules for files, so that one set of rules decides the kind of each column.

    Cells that cannot be read are counted and do not end the reading.

    Args:
        table: Rows, however they are held.
        argument: Its name in the caller's program, for messages.
        rules: How its columns are to be read.
    Raises:
        UsageError: It is none of the forms that are read.
        TableError: It cannot be used.
    """
    from core.tables import TableError, read_table

    if isinstance(table, str | Path):
        return read_table(Path(table), rules=rules, lenient=True)
    with tempfile.TemporaryDirectory() as folder:
        file = as_file(table, Path(folder), argument, mixed_as_text=True)
        try:
            return read_table(file, rules=rules, lenient=True)
        except TableError as error:
            raise UsageError(str(error).replace(str(file), argument)) from error


def as_file(table: TableLike, folder: Path, argument: str, *, mixed_as_text: bool = False) -> Path:
    """Write a table that is held in memory to a folder; a file stays where it is.

    Args:
        table: Rows, however they are held.
        folder: Where to write.
        argument: Its name in the caller's program, for messages.
        mixed_as_text: Whether a column of numbers and text is written as text; else it is refused.
    Raises:
        UsageError: It is none of the forms that are read, or holds what no file can.
    """
    import pandas as pd

    if isinstance(table, str | Path):
        return Path(table)
    if table is None:
        raise UsageError(f"{argument} is None; it must be a data frame, columns by name, or a file.")
    try:
        frame = table if isinstance(table, pd.DataFrame) else pd.DataFrame(table)
        if len(twice := frame.columns[frame.columns.astype(str).duplicated()]):
            raise UsageError(f"{argument} has two columns named {str(twice[0])!r}; rename one of them.")
        if mixed_as_text and (mixed := [name for name in frame.columns if _is_mixed(frame[name])]):
            frame = frame.copy(deep=False)
            for name in mixed:
                frame[name] = frame[name].map(str, na_action="ignore")
        file = folder / f"{argument}.parquet"
        frame.rename(columns=str).reset_index(drop=True).to_parquet(file)
    except (ValueError, TypeError, OSError, ArithmeticError, AttributeError, RuntimeError) as error:
        raise UsageError(f"{argument} cannot be read as a table of plain values: {error}.") from error
    return file


def _is_mixed(values: "pd.Series[Any]") -> bool:
    if values.dtype != object:
        return False
    kinds = {type(value) for value in values.dropna()}
    return str in kinds and len(kinds) > 1 and all(issubclass(kind, str | Real) for kind in kinds)
