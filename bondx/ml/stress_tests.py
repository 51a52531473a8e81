"""`stress` and `reverse_stress`: what a portfolio loses under scenarios, and how small a shock loses too much."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import NoneType
from typing import TYPE_CHECKING, Any

import msgspec

from core.api.arguments import checked
from core.api.config import MLOpsConfig
from core.errors import UsageError

if TYPE_CHECKING:
    from core.stress.report import StressReport
    from core.stress.reverse import ReverseStress
    from core.stress.stress_test import StressRequest


@checked
def stress(
    positions: object = None,
    *,
    domain: str | None = None,
    scenarios: Sequence[str] = (),
    severities: Sequence[str] = (),
    scenario_files: Sequence[Path | str] = (),
    models: Sequence[str] = (),
    n_rows: int | None = None,
    seed: int | None = None,
    keep: bool = False,
    reason: str = "",
    config: MLOpsConfig | None = None,
) -> "StressReport":
    """Stress a portfolio, as `bondx stress run` does.

    Args:
        positions: A file of positions, or a data frame of them; None: a panel that the domain draws.
        domain: The domain; by default that of the workspace's settings.
        scenarios: Names of scenarios or families; by default all.
        severities: By default all.
        scenario_files: Own scenarios in YAML.
        models: Registered versions, such as "spread@1.2.0", to be stressed on the drawn panel, too.
        n_rows: Rows of the panel; by default 3,000.
        seed: Its seed; by default 42.
        keep: Whether the result is stored and audited; by default it is not.
        reason: Why, for the audit log.
        config: The workspace; by default the one that `MLOpsConfig.from_yaml()` finds.
    Returns:
        Each case with its profit by factor, impact, slices and worst instruments; and the models under each scenario.
    Raises:
        UsageError: The request contradicts itself.
        NotFoundError: There is no such scenario or version.
        TableError: The positions cannot be used.
    """
    from core.settings import settings_in_force
    from core.stress.stored_tests import StressTests
    from core.stress.stress_test import run_stress_test
    from core.training.version_stress import stress_versions

    config = config or MLOpsConfig.from_yaml()
    request = _request(config, domain, scenarios, severities, scenario_files)
    with _held(request, positions, n_rows, seed) as asked:
        if models:
            training = settings_in_force(config.workspace.root).training
            report = stress_versions(config.workspace, asked, models, training)
        else:
            report = run_stress_test(asked)
    if not isinstance(positions, str | Path | NoneType):
        report = msgspec.structs.replace(report, portfolio="positions")
    if keep:
        StressTests(config.workspace).keep(report, config.actor, reason=reason)
    return report


@checked
def reverse_stress(
    positions: object = None,
    *,
    loss: float | None = None,
    impact: float | None = None,
    gates: Sequence[str] | None = None,
    domain: str | None = None,
    scenarios: Sequence[str] = (),
    severities: Sequence[str] = (),
    scenario_files: Sequence[Path | str] = (),
    n_rows: int | None = None,
    seed: int | None = None,
    config: MLOpsConfig | None = None,
) -> "tuple[ReverseStress, ...]":
    """Search the smallest shock that loses too much, as `bondx stress reverse` does.

    Args:
        positions: A file of positions, or a data frame of them; None: a panel that the domain draws.
        loss: The share of the market value to lose.
        impact: Or the impact to have, from 0 to 1.
        gates: Or the quality gates of the panel of which one is to fail; empty: any.
        domain: The domain; by default that of the workspace's settings.
        scenarios: Names of scenarios or families to search along; by default all.
        severities: The severest counts; by default severe.
        scenario_files: Own scenarios in YAML.
        n_rows: Rows of the panel; by default 3,000.
        seed: Its seed; by default 42.
        config: The workspace; by default the one that `MLOpsConfig.from_yaml()` finds.
    Returns:
        One along each scenario of one blow; and, but for gates, the one in the least favourable direction.
    Raises:
        UsageError: Not exactly one of loss, impact and gates is given, or the request contradicts itself.
        NotFoundError: There is no such scenario.
        TableError: The positions cannot be used.
    """
    from core.settings import settings_in_force
    from core.stress.stress_test import ReverseAim
    from core.stress.stress_test import reverse_stress as search

    config = config or MLOpsConfig.from_yaml()
    aim = ReverseAim(loss_share=loss, impact=impact, gates=gates or (), any_gate=gates is not None)
    quality = settings_in_force(config.workspace.root).training.quality_gates
    request = _request(config, domain, scenarios, severities, scenario_files)
    with _held(request, positions, n_rows, seed) as asked:
        return search(asked, aim, quality=quality)


def _request(
    config: MLOpsConfig,
    domain: str | None,
    scenarios: Sequence[str],
    severities: Sequence[str],
    scenario_files: Sequence[Path | str],
) -> "StressRequest":
    from core.explain.deny_list import DenyList
    from core.settings import settings_in_force
    from core.stress.stress_test import StressRequest

    return StressRequest(
        domain=domain or settings_in_force(config.workspace.root).training.domain,
        denied=DenyList.of_cells_in_force(config.workspace.root),
        scenarios=scenarios,
        severities=severities,
        scenario_files=[Path(file) for file in scenario_files],
    )


@contextmanager
def _held(request: "StressRequest", positions: Any, n_rows: int | None, seed: int | None) -> "Iterator[StressRequest]":
    """Yield a request for positions, or for a panel."""
    if positions is None:
        yield request.of_panel(request.n_rows if n_rows is None else n_rows, request.seed if seed is None else seed)
        return
    if n_rows is not None or seed is not None:
        raise UsageError("n_rows and seed are of a drawn panel; leave them or the positions out.")
    if isinstance(positions, str | Path):
        yield replace(request, portfolio=Path(positions))
        return
    if not hasattr(positions, "to_parquet"):
        raise UsageError(f"positions is a {type(positions).__name__}; it must be a file or a data frame.")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "positions.parquet"
        positions.to_parquet(path, index=False)
        yield replace(request, portfolio=path)
