"""`RetrainPipeline`: from a drift report to the next version of a model."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bondx.mlops.drift import DataDriftReport, TableLike, as_file
from bondx.mlops.registry import ModelRegistry
from bondx.mlops.tracker import ExperimentTracker
from core.api import MLOpsConfig
from core.api.arguments import checked
from core.errors import CoreError, UsageError
from core.escape import shown

if TYPE_CHECKING:
    from core.retraining.rehearsal.documents import Rehearsal


@dataclass(frozen=True, slots=True)
class RetrainingResult:
    """The result of a retraining.

    Attributes:
        success: Whether a new version was registered.
        new_model_version: Its number, in Development; None without success.
        training_time_seconds: How long the training took; 0 where none was due.
        reason: Why it succeeded or not, one sentence.
    """

    success: bool
    new_model_version: str | None
    training_time_seconds: float
    reason: str


class RetrainPipeline:
    """Trains the next version of a model when a drift report calls for it. It never promotes: the gates decide that."""

    def __init__(
        self,
        config: MLOpsConfig | None = None,
        tracker: ExperimentTracker | None = None,
        registry: ModelRegistry | None = None,
    ) -> None:
        """Open the pipeline.

        Args:
            config: The workspace, the policy and the name under which it trains.
            tracker: Where the run is found afterwards.
            registry: Where the version is found afterwards.
        """
        for name, given, kind in (
            ("config", config, MLOpsConfig),
            ("tracker", tracker, ExperimentTracker),
            ("registry", registry, ModelRegistry),
        ):
            if given is not None and not isinstance(given, kind):
                raise UsageError(
                    f"{name} is {shown(given)}; it must be of the class {kind.__qualname__} of bondx.mlops."
                )
        self.config = config or MLOpsConfig.from_yaml()
        self.tracker = tracker or ExperimentTracker(self.config)
        self.registry = registry or ModelRegistry(self.config)

    @checked
    def rehearse(self, policy_file: Path | str, *, over_days: float = 30.0, models: Sequence[str] = ()) -> "Rehearsal":
        """Say what another policy would have done on the recorded past; nothing is changed.

        Args:
            policy_file: The other policy, laid over `bondx.yaml`.
            over_days: How far back.
            models: Only these; by default all.
        Returns:
            Its `events`, their `counts()` by kind, and what is `unknown`.
        Raises:
            SettingsError: The file cannot be used.
            UsageError: The period is too long.
        """
        from datetime import timedelta

        from core.clock import utc_now
        from core.retraining.rehearsal.rehearse import rehearse
        from core.settings import load_policy

        workspace = self.config.workspace
        policy = load_policy(workspace.root, config=Path(policy_file))
        return rehearse(workspace, policy, over=timedelta(days=over_days), now=utc_now(), models=tuple(models))

    @checked
    def trigger_retraining(
        self,
        drift_report: DataDriftReport,
        training_data: TableLike,
        *,
        force: bool = False,
        keep: Sequence[str] | None = None,
        na: Sequence[str] | None = None,
        read: Sequence[str] | None = None,
        drop_missing_target: bool | None = None,
        experiment: str = "",
    ) -> RetrainingResult:
        """Train on a table if the report calls for it.

        What is not given is as it was when the live version was trained (without a live version, the one in the
        report), group, time and task included.

        Args:
            drift_report: Of `DriftMonitor.detect_drift`; it names the model and the column to predict.
            training_data: The training table, including the target column.
            force: Train although the report does not call for it.
            keep: Columns to learn from although they name rows.
            na: Words and numbers that mark an empty cell.
            read: How columns are to be read, such as `price=decimal-comma`.
            drop_missing_target: Leave out rows without a target.
            experiment: The experiment of the run.
        Returns:
            The result. A problem with the data becomes its reason and raises no exception; the live version stays live
            either way.
        """
        if not (force or drift_report.requires_retraining):
            return RetrainingResult(False, None, 0.0, f"not due: {drift_report.summary}")
        from core.registry import Registry
        from core.settings import settings_in_force
        from core.training.own_data import TrainRequest, as_before, train_on_file, trained_before

        workspace = self.config.workspace
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            try:
                file = as_file(training_data, Path(folder), "training_data")
                before = trained_before(Registry(workspace), drift_report.model_name, drift_report.model_version)
                request = as_before(
                    before,
                    TrainRequest(
                        drift_report.model_name, file, target=drift_report.target_column, experiment=experiment
                    ),
                    keep=keep,
                    na=None if na is None else list(map(str, na)),
                    read=read,
                    drop_missing_target=drop_missing_target,
                )
                settings = settings_in_force(workspace.root)
                trained = train_on_file(workspace, request, settings, actor=self.config.actor)
            except CoreError as error:
                reason = str(error).replace(f"{folder}/", "")  # the file there is ours, not the caller's
                return RetrainingResult(False, None, time.monotonic() - began, reason)
        version = trained.version.version
        reason = f"{drift_report.model_name} {version} trained after drift against {drift_report.model_version}"
        return RetrainingResult(True, version, time.monotonic() - began, reason)
