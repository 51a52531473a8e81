"""Stress tests of registered versions: their files are opened, and what they learned from is known by their profile."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import msgspec

from core.domains.catalogue import load_model
from core.domains.registry import session_domain
from core.errors import UsageError
from core.explain.deny_list import DenyList
from core.monitoring.data_profile import ColumnProfile, ProfileError
from core.registry import ModelVersion, Registry
from core.settings import TrainingSettings
from core.state import Workspace
from core.stress.choosing import drawn_request, label_engine, stress_engine
from core.stress.report import StressReport
from core.stress.stress_test import StressRequest, chosen_cases, run_stress_test
from core.stress.stressed_models import ColumnRange, StressedModel, stressed_models
from core.training.own_data.version_choice import chosen_version
from core.training.version_profile import profile_of_version


def stress_versions(
    workspace: Workspace, request: StressRequest, names: Sequence[str], training: TrainingSettings
) -> StressReport:
    """Stress a drawn panel, and registered versions on the same panel.

    Args:
        workspace: Where they are registered.
        request: The panel, and the scenarios.
        names: Of the versions, such as "spread@1.2.0"; of "spread", the live version, else the newest.
        training: The settings: quality gates.
    Raises:
        NotFoundError: There is no such version.
        UsageError: The request has positions of a file, or the domain draws no labels under stress.
        HashMismatchError: The version's files differ from the registered files.
    """
    if request.portfolio is not None:
        raise UsageError("Models are stressed on a drawn panel, whose truth is known: leave the file of positions out.")
    engine = label_engine(request.domain, stress_engine(request.domain))
    registry, domain = Registry(workspace), session_domain(request.domain)
    models = []
    for name in dict.fromkeys(names):
        model, _, number = name.partition("@")
        models.append(_opened(registry, chosen_version(registry, model, number or None, None)))
    for each in models:
        if each.model.name not in domain.models:
            known = ", ".join(domain.models)
            raise UsageError(f"{each.name} is no model of the domain {domain.name}; its models: {known}.")
    denied = DenyList.in_force(workspace.root)
    models = [replace(each, ranges=denied.visible(each.ranges)) for each in models]
    panel = drawn_request(request.domain, n_rows=request.n_rows, seed=request.seed)
    found = stressed_models(
        models, engine, panel, chosen_cases(request), checks=domain.checks, gates=training.quality_gates
    )
    return msgspec.structs.replace(run_stress_test(request), models=found)


def _opened(registry: Registry, version: ModelVersion) -> StressedModel:
    with registry.opened(version.model, version.version) as folder:
        loaded = load_model(folder)
        try:
            profile = profile_of_version(registry, version.model, version.version)
        except ProfileError:  # of an imported version: that its features leave a range cannot be known
            columns: Iterable[ColumnProfile] = ()
        else:
            columns = profile.features
    return StressedModel(f"{version.model}@{version.version}", loaded, ranges_of(columns))


def ranges_of(columns: Iterable[ColumnProfile]) -> dict[str, ColumnRange]:
    """Return what each column held."""
    found = {}
    for column in columns:
        if column.points:
            found[column.name] = ColumnRange(column.points[0], column.points[-1])
        elif column.levels:
            found[column.name] = ColumnRange(levels=tuple(column.levels))
    return found
