"""The version that a command is about, where nobody names one."""

from core.errors import NotFoundError
from core.registry import ModelVersion, Registry, Stage
from core.registry.language_models import require_rows


def chosen_version(registry: Registry, model: str, version: str | None, stage: Stage | None) -> ModelVersion:
    """Choose the version: by name, else the newest of the stage, else the live or newest version.

    Raises:
        NotFoundError: There is no such version.
        AnswersNoRowsError: It is a model of language.
    """
    chosen = _chosen(registry, model, version, stage)
    require_rows(chosen)
    return chosen


def _chosen(registry: Registry, model: str, version: str | None, stage: Stage | None) -> ModelVersion:
    if version is not None:
        return registry.get(model, version)
    if stage is None and (live := registry.production(model)) is not None:
        return live
    versions = registry.versions_in_brief(model)
    found = [candidate for candidate in versions if stage in (None, candidate.stage)]
    if not found:
        standing = ", ".join(f"{candidate.version} in {candidate.stage}" for candidate in versions[-5:])
        raise NotFoundError(f"{model} has no version in {stage}; its versions: {standing or 'none'}.")
    return registry.get(model, found[-1].version)
