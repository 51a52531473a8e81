"""`ModelMonitoringService`: keep the profile of a reference, and compare later batches with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeAlias

from bondx.mlops.drift import TableLike, as_file, read_table_like
from core.api import MLOpsConfig
from core.api.arguments import checked
from core.errors import NotFoundError, UsageError
from core.escape import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from core.monitoring.data_profile import DataProfile
    from core.monitoring.documents import LastEstimate, ModelMonitoring
    from core.monitoring.labels.answers import JudgedRequests, WantedRequests
    from core.monitoring.profile_check import DriftAlert, ProfileDrift
    from core.tables import ReadingRules, Table
    from core.training.own_data.drift import VersionDrift
    from core.training.own_data.estimation import VersionEstimate
    from core.training.own_data.profile import VersionProfile
    from core.view.monitoring_history import MonitoringHistory
    from core.view.version_performance import VersionPerformance

MonitoredRows: TypeAlias = "np.ndarray[Any, Any] | TableLike"
"""An array of one or two dimensions, a data frame, columns by name, or a CSV, Parquet or JSON-lines file."""


@dataclass(frozen=True, slots=True)
class _Reference:
    """What is kept of a reference: its profile, and how its columns were read. No row is kept."""

    profile: "DataProfile"
    reading: "ReadingRules"
    names: tuple[str, ...]
    prediction: str | None
    residual: str | None


class ModelMonitoringService:
    """Detects drift of the inputs, predictions, outcomes and errors of models, each against its reference.

    >>> import numpy as np
    >>> rng, service = np.random.default_rng(1), ModelMonitoringService()
    >>> service.register_model("risk_model", rng.normal(size=(1_000, 2)))
    >>> service.detect_drift("risk_model", rng.normal(size=(500, 2)))
    ()
    >>> print(service.detect_drift("risk_model", rng.normal(size=(500, 2)) + [0, 2])[0].message)
    feature_1: moved by more than is harmless: PSI 3.035; mean -0.007491 -> 1.986 (+1.96 sd)
    """

    @checked
    def __init__(self, config: MLOpsConfig | None = None) -> None:
        """Open the service; by default with the policy that `MLOpsConfig.from_yaml()` finds."""
        self._config = config or MLOpsConfig.from_yaml()
        self._references: dict[str, _Reference] = {}

    @checked
    def register_model(
        self,
        model_name: str,
        reference: MonitoredRows,
        *,
        target: str | None = None,
        prediction: str | None = None,
        residual: str | None = None,
        group: str | None = None,
    ) -> None:
        """Keep the profile of a reference, in place of an earlier one of the same name.

        Args:
            model_name: Whose policy says which size of drift matters (`drift.feature`, `drift.target`,
                `drift.residual`).
            reference: Rows without drift, such as the training data. Columns of an array are `feature_0`, `feature_1`…
            target: The column of the outcomes.
            prediction: The column of the model's answers.
            residual: The column of what they were off by.
            group: The column whose rows depend on each other, such as a client or a day.
        Raises:
            TableError: A file cannot be used.
            UsageError: The rows cannot be read, lack a column that is named, or hold nothing to compare.
        """
        import msgspec

        from core.monitoring.drift_check import kinds_to_read
        from core.monitoring.profiling import PREDICTION, RESIDUAL, profile_column, profile_columns, profile_of, time_of
        from core.tables import ReadingRules

        table = _read(reference, "reference", None)
        roles = [name for name in (target, prediction, residual, group) if name is not None]
        for name in roles:
            if name not in table.kinds:
                known = ", ".join(map(shown, table.kinds))
                raise UsageError(f"reference has no column {shown(name)}. Its columns: {known}.")
        if len(set(roles)) < len(roles):
            raise UsageError("A column is named twice as target, prediction, residual or group; name each once.")
        features = tuple(name for name in table.kinds if name not in roles)
        time = time_of(table.kinds)
        columns = profile_columns(table.frame, table.kinds, group, time)
        profile = profile_of(columns, features=features, target=target, group=group, held_out=None, time=time)
        if not profile.features and not roles:
            raise UsageError("reference has no column to compare; times are not compared.")
        own = {
            kind: profile_column(table.frame[name], table.kinds[name], name=kind, units=_units(table, group))
            for kind, name in ((PREDICTION, prediction), (RESIDUAL, residual))
            if name is not None
        }
        self._references[model_name] = _Reference(
            msgspec.structs.replace(profile, prediction=own.get(PREDICTION), residual=own.get(RESIDUAL)),
            ReadingRules(kinds=kinds_to_read(table.kinds), forms=table.forms),
            tuple(table.frame.columns),
            prediction,
            residual,
        )

    @checked
    def detect_drift(self, model_name: str, new_data: MonitoredRows) -> "tuple[DriftAlert, ...]":
        """Compare a batch with the reference of a model.

        Args:
            model_name: A registered model.
            new_data: The batch; an array has the columns of the reference in their order.
        Returns:
            What has certainly moved, the most severe first: `type` (`DriftType`), `column`, `verdict` (alarm or
            watch), `message`. Without drift the whole check finds something in at most 5 % of the batches.
        Raises:
            NotFoundError: No model of this name is registered here.
            TableError: A file cannot be used.
            UsageError: The batch cannot be read.
        """
        return self.check(model_name, new_data).alerts

    @checked
    def check(self, model_name: str, new_data: MonitoredRows) -> "ProfileDrift":
        """Compare a batch with the reference of a model; return every column with its measures.

        Args:
            model_name: A registered model.
            new_data: The batch.
        Raises:
            NotFoundError, TableError, UsageError: As `detect_drift`.
        """
        from core.monitoring.profile_check import check_profile
        from core.monitoring.profiling import PREDICTION, RESIDUAL

        if (kept := self._references.get(model_name)) is None:
            known = ", ".join(map(shown, self._references)) or "none"
            raise NotFoundError(f"No model {shown(model_name)} is registered here. Registered: {known}.")
        table = _read(new_data, "new_data", kept)
        stored = {PREDICTION: kept.profile.prediction, RESIDUAL: kept.profile.residual}
        answers = {
            kind: (table.frame[name], column.kind)
            for kind, name in ((PREDICTION, kept.prediction), (RESIDUAL, kept.residual))
            if name is not None and name in table.frame and (column := stored[kind]) is not None
        }
        return check_profile(
            kept.profile,
            table.frame,
            self._config.for_model(model_name).drift,
            answers=answers,
            unreadable=table.unreadable,
            infinite=table.infinite,
        )

    @checked
    def live_models(self) -> "tuple[ModelMonitoring, ...]":
        """Return what the engine has found of every model with a live version, the worst health first."""
        from core.monitoring.monitoring_store import MonitoringStore
        from core.monitoring.sentences import worst_first

        return tuple(worst_first(MonitoringStore(self._config.workspace).all()))

    @checked
    def live_model(self, model_name: str) -> "ModelMonitoring":
        """Return what the engine has found of one model: health, drift, performance, with the reasons.

        Args:
            model_name: A model with a version in Production.
        Raises:
            NotFoundError: No version of it is live, or no engine has looked at it yet.
        """
        from core.monitoring.monitoring_store import MonitoringStore

        return MonitoringStore(self._config.workspace).get(model_name)

    @checked
    def live_history(self, model_name: str, *, since: datetime | None = None) -> "MonitoringHistory":
        """Return how the health of a model and the verdicts on it changed, newest first.

        Args:
            model_name: A model that is or was watched.
            since: Only changes at or after this time, UTC unless it has a zone; None for all.
        Raises:
            NotFoundError: It is not watched, and was not within the recorded past.
        """
        from core.view.monitoring_history import monitoring_history

        return monitoring_history(self._config.workspace, model_name, since=since)

    @checked
    def check_batch(self, model_name: str, data: TableLike, *, version: str | None = None) -> "VersionDrift":
        """Compare a batch with the profile of a registered version, as `bondx drift check` does.

        Args:
            model_name: A model of the workspace.
            data: The batch: a data frame, columns by name, or a file. It may have the target.
            version: Its version; by default the live version, else the newest.
        Raises:
            NotFoundError: There is no such model or version.
            UsageError: The batch cannot be used, or the version has no profile.
        """
        from core.training.own_data.drift import check_version

        rules = self._config.for_model(model_name).drift
        with _on_disk(data) as file:
            return check_version(self._config.workspace, model_name, file, rules, version=version)

    @checked
    def check_served(
        self, model_name: str, since: timedelta = timedelta(hours=1), *, version: str | None = None
    ) -> "VersionDrift":
        """Compare the rows that servers answered lately with the profile of a version.

        Args:
            model_name: A model of the workspace.
            since: How far back.
            version: Its version; by default the live version, else the newest.
        Raises:
            NotFoundError: There is no such model or version.
            UsageError: No row was counted in that time, or the version has no profile.
        """
        from core.training.own_data.live_drift import check_served

        if since <= timedelta(0):
            raise UsageError(f"since is {since}; it must be positive.")
        rules = self._config.for_model(model_name).drift
        return check_served(self._config.workspace, model_name, rules, since=since, version=version)

    @checked
    def profile(self, model_name: str, version: str | None = None) -> "VersionProfile":
        """Return what a registered version learned from: counts by column, predictions and errors, and no row.

        Args:
            model_name: A model of the workspace.
            version: Its version; by default the live version, else the newest.
        Raises:
            NotFoundError: There is no such model or version.
            UsageError: The version has no profile, or none that can be read.
        """
        from core.training.own_data.profile import version_profile

        return version_profile(self._config.workspace, model_name, version=version)

    @checked
    def make_profile(
        self,
        model_name: str,
        data: TableLike,
        *,
        version: str | None = None,
        held_out: bool = False,
        reason: str = "",
    ) -> "VersionProfile":
        """Make the profile of a version that was registered without one, as `bondx drift profile` does.

        Args:
            model_name: A model of the workspace.
            data: The rows that it learned from: a data frame, columns by name, or a file.
            version: Its version; by default the live version, else the newest.
            held_out: Whether these are rows that it did not learn from: predictions, errors, calibration and slices are
                then taken from its answers to them.
            reason: Why; needed to replace a profile that was made before.
        Raises:
            NotFoundError: There is no such model or version.
            RefusedError: The artifact of the version holds a profile, which is never replaced.
            UsageError: The rows cannot be used, or a profile was made before and there is no reason to replace it.
        """
        from core.training.own_data.profile import make_profile

        with _on_disk(data) as file:
            return make_profile(
                self._config.workspace,
                model_name,
                file,
                actor=self._config.actor,
                version=version,
                held_out=held_out,
                reason=reason,
            )

    @checked
    def estimate_batch(self, model_name: str, data: TableLike, *, version: str | None = None) -> "VersionEstimate":
        """Estimate how well a registered version does on a batch without outcomes.

        Args:
            model_name: A model of the workspace.
            data: The batch: a data frame, columns by name, or a file. A target in it is ignored.
            version: Its version; by default the live version, else the newest.
        Returns:
            `report` has the metrics with their intervals, and what the estimate cannot see.
        Raises:
            NotFoundError: There is no such model or version.
            UsageError: The batch cannot be used, or the version has neither held-out rows nor a profile.
        """
        from core.training.own_data.estimation import estimate_on_file

        with _on_disk(data) as file:
            return estimate_on_file(self._config.workspace, model_name, file, version=version)

    @checked
    def performance(self, model_name: str, version: str | None = None, *, by: str = "") -> "VersionPerformance":
        """Say how well a registered version does, by the outcomes that are known now.

        Args:
            model_name: A model of the workspace.
            version: Its version; by default the live version, else the newest.
            by: Only the slices of this column are listed.
        Returns:
            `report` has the verdict, the metrics by window, each with an interval that holds at every look, the slices,
            the worst slice, and the reliability curve.
        Raises:
            NotFoundError: There is no such model or version.
            UsageError: Predictions are not recorded with the slices of this column.
        """
        from core.clock import utc_now
        from core.view.version_performance import version_performance

        return version_performance(self._config.workspace, model_name, version, by=by, now=utc_now())

    @checked
    def estimate_performance(self, model_name: str, version: str | None = None) -> "LastEstimate":
        """Return the engine's last estimate of how well a live version does without outcomes.

        Args:
            model_name: A model of the workspace.
            version: A live version of it; by default the stable one.
        Returns:
            `estimate` has the metrics with their intervals, and what it cannot see; without metrics, `reason` says why.
        Raises:
            NotFoundError: The version is not live, or no engine has estimated it yet.
        """
        from core.monitoring.monitoring_store import MonitoringStore

        return MonitoringStore(self._config.workspace).last_estimate(model_name, version)

    @checked
    def labels_wanted(
        self,
        model_name: str,
        n: int = 40,
        *,
        version: str | None = None,
        seed: int = 0,
        requests: "Sequence[str] | None" = None,
        again: bool = False,
        reason: str = "",
    ) -> "WantedRequests":
        """Name recorded requests whose outcomes decide how well a version does; the draw is recorded.

        Args:
            model_name: A model of the workspace.
            n: How many rows.
            version: Its version; by default the live version, else the newest.
            seed: Of the draw.
            requests: Ids of predictions to draw from; by default the rows that `serving.log_features` sampled.
            again: Draw again, from the rows that are there now.
            reason: Why, for the record.
        Raises:
            NotFoundError: There is no such model or version.
            UsageError: There are too few recorded rows, or the version has no held-out rows.
        """
        from core.training.own_data.wanted_requests import wanted_requests

        return wanted_requests(
            self._config.workspace,
            model_name,
            actor=self._config.actor,
            n=n,
            seed=seed,
            version=version,
            requests=requests,
            again=again,
            reason=reason,
        )

    @checked
    def labels_judged(self, model_name: str, version: str | None = None) -> "JudgedRequests":
        """Say what the outcomes of wanted requests prove, how many more decide, and by when.

        Args:
            model_name: A model of the workspace.
            version: Its version; by default the live version, else the newest.
        Raises:
            NotFoundError: There is no such version, or no outcomes were asked for.
        """
        from core.clock import utc_now
        from core.training.own_data.wanted_requests import judged_requests

        return judged_requests(self._config.workspace, model_name, version, now=utc_now())


@contextmanager
def _on_disk(data: TableLike) -> Iterator[Path]:
    """Return the file of a table; one that is held in memory is written for the time of the block."""
    from core.training.own_data.given_rows import named

    with TemporaryDirectory() as folder:
        file = as_file(data, Path(folder), "data", mixed_as_text=True)
        if isinstance(data, str | Path):
            yield file
            return
        with named(file, "data"):
            yield file


def _units(table: "Table", group: str | None) -> Any:
    from core.monitoring.dependence import group_numbers

    return None if group is None else group_numbers(table.frame[group])


def _read(rows: MonitoredRows, argument: str, kept: _Reference | None) -> "Table":
    import numpy as np
    import pandas as pd

    if isinstance(rows, np.ndarray):
        if rows.ndim not in (1, 2):
            raise UsageError(f"{argument} has {rows.ndim} dimensions; it must have one or two.")
        if rows.dtype.kind not in "biufOUS":
            raise UsageError(f"{argument} holds {rows.dtype}; it must hold numbers or text.")
        columns = rows.reshape(-1, 1) if rows.ndim == 1 else rows
        names = list(kept.names) if kept else [f"feature_{k}" for k in range(columns.shape[1])]
        if len(names) != columns.shape[1]:
            raise UsageError(f"{argument} has {columns.shape[1]} columns; the reference has {len(names)}.")
        rows = pd.DataFrame(columns, columns=names)
    return read_table_like(rows, argument, kept.reading if kept else None)
