"""`ModelRegistry`: versions registered from a path, and promoted to a stage, under the usual names."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.api import MLOpsConfig
from core.api.arguments import checked
from core.api.models import ModelRegistry as Models
from core.errors import UsageError
from core.plain_files import open_plain
from core.registry import ModelVersion, Registry, Stage

if TYPE_CHECKING:
    from core.retraining.leaderboard import LeaderboardEntry

MAX_METADATA_BYTES = 1 << 20


class ModelRegistry:
    """The models of one workspace. The audit log records the person in `…_by` beside the calling account."""

    def __init__(self, config: MLOpsConfig | None = None) -> None:
        """Open the registry; by default of the workspace that `MLOpsConfig.from_yaml()` finds."""
        self._config = config or MLOpsConfig.from_yaml()
        self._registry = Registry(self._config.workspace, policy=self._config.source)
        self._models = Models(self._config)

    @checked
    def register_model(
        self,
        model_name: str,
        model_path: Path | str,
        *,
        version: str | None = None,
        run_id: str = "",
        experiment_name: str = "",
        model_type: str = "",
        feature_columns: Sequence[str] = (),
        target_column: str = "",
        performance_metrics: Mapping[str, float] | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
        metadata_path: Path | str | None = None,
        tags: Mapping[str, str] | None = None,
        description: str = "",
    ) -> ModelVersion:
        """Register a folder or a file as a version of a model, in Development.

        Args:
            model_name: The model; its first version makes it known.
            model_path: The folder or file. It is copied and hashed.
            version: The number to give it, above every number the model has had; by default what has changed decides.
            run_id: The tracked run it came from.
            experiment_name: Kept in the lineage.
            model_type: Kept in the lineage.
            feature_columns: The columns that the model reads; kept in the lineage.
            target_column: The column that the model predicts; kept in the lineage.
            performance_metrics: Finite figures by name; `attainment`, `accuracy` or `r2` is what the accuracy gate
                looks at.
            hyperparameters: The hyperparameters, as plain JSON values.
            metadata_path: A JSON object of at most 1 MiB; kept in the lineage.
            tags: Words to find the version by.
            description: One line for people.
        Returns:
            The registered version.
        Raises:
            ArtifactRefusedError: The files cannot become an artifact; a pickle never can, since it is code. Save
                LightGBM's own text, skops, ONNX, npz or JSON instead.
            UsageError: The metadata cannot be read as a JSON object.
        """
        lineage: dict[str, Any] = {
            "experiment_name": experiment_name,
            "model_type": model_type,
            "feature_columns": list(feature_columns),
            "target_column": target_column,
            "parameters": dict(hyperparameters or {}),
            "metadata": _metadata(metadata_path),
        }
        return self._registry.register(
            model_name,
            Path(model_path),
            metrics=performance_metrics or {},
            lineage={name: value for name, value in lineage.items() if value},
            gates=(),
            actor=self._config.actor,
            run_id=run_id,
            bump="auto",
            version=version,
            tags=tags,
            description=description,
            reads=True,
        )

    @checked
    def promote_model(
        self,
        model_name: str,
        version: str,
        target_stage: Stage | str,
        *,
        deployed_by: str | None = None,
        reason: str = "",
    ) -> ModelVersion:
        """Move a version one stage up, through the gates.

        Raises:
            PromotionRefusedError: A rule or a gate forbids it; the message says which and why.
            HashMismatchError: The files are not those that were registered.
        """
        return self._models_of(deployed_by).promote_model(model_name, version, target_stage, reason=reason)

    @checked
    def rollback_model(self, model_name: str, *, rolled_back_by: str | None = None, reason: str = "") -> ModelVersion:
        """Put the previous Production version back live; raises as `promote_model` does."""
        return self._models_of(rolled_back_by).rollback_model(model_name, reason=reason)

    @checked
    def archive_model(
        self, model_name: str, version: str, *, archived_by: str | None = None, confirm: str = "", reason: str = ""
    ) -> ModelVersion:
        """Take a version out of use; the live version only if `confirm` names it, since no other takes its place.

        Raises:
            RefusedError: A rule forbids it, or the live version is not confirmed.
        """
        return self._models_of(archived_by).archive_model(model_name, version, confirm=confirm, reason=reason)

    @checked
    def get_model(self, model_name: str, version: str | None = None) -> ModelVersion:
        """Return one version; by default the one in Production.

        Raises:
            NotFoundError: There is no such model or version, or nothing is in Production.
        """
        return self._models.get_model(model_name, version)

    @checked
    def list_models(self, model_name: str | None = None, *, stage: Stage | str | None = None) -> list[ModelVersion]:
        """Return versions by model and ascending number."""
        return self._models.list_models(model_name, stage=stage)

    @checked
    def model_path(self, model_name: str, version: str | None = None) -> Path:
        """Return a private copy of a version's folder for its own library to load; it lasts until this process ends.

        Raises:
            HashMismatchError: The files are not those that were registered.
        """
        return self._models.model_path(model_name, version)

    @checked
    def leaderboard(self, model_name: str) -> "list[LeaderboardEntry]":
        """Rank the live version and the versions that rollouts compared with it, the best first.

        Returns:
            For each its `role`, `realised` and `estimated` performance, the loss `against_live`, the `verdict` and
            whether it `is_proposed`; empty without a live version.
        Raises:
            NotFoundError: There is no such model.
        """
        from core.clock import utc_now
        from core.retraining.leaderboard import leaderboard

        return list(leaderboard(self._config.workspace, model_name, now=utc_now()))

    def _models_of(self, person: str | None) -> Models:
        """Return the registry as the caller opened it, or the same one in the name of a person."""
        return self._models if person is None else Models(self._config.in_the_name_of(person))


def _metadata(path: Path | str | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        with open_plain(Path(path)) as file:
            text = file.read(MAX_METADATA_BYTES + 1)
    except OSError as error:
        raise UsageError(f"metadata_path {path} cannot be read: {error.strerror or error}.") from None
    if len(text) > MAX_METADATA_BYTES:
        raise UsageError(f"metadata_path {path} has more than {MAX_METADATA_BYTES:,} bytes; keep it smaller.")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"metadata_path {path} is not JSON: {error}.") from None
    if not isinstance(found, dict):
        raise UsageError(f"metadata_path {path} holds a {type(found).__name__}; it must hold a JSON object.")
    return found
