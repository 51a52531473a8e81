"""Promotion gates: what a version must show before it moves up, as pure functions of what is recorded."""

from collections.abc import Sequence

from core.quality.gate import GateResult, judge
from core.registry.documents import ModelVersion
from core.registry.stages import Stage
from core.settings.promotion import PromotionSettings

ATTAINMENT = "attainment"
VERIFIED_ARTIFACT = "verified_artifact"


def promotion_gates(
    candidate: ModelVersion,
    production: ModelVersion | None,
    settings: PromotionSettings,
    *,
    to_stage: Stage,
    integrity: Sequence[str],
) -> tuple[GateResult, ...]:
    """Judge whether a version may move to a stage.

    On the way to Staging only the artifact's integrity stops a version; the other gates warn of what will stop it
    on the way to Production.

    Args:
        candidate: The version to promote.
        production: The version it would replace, if there is one.
        settings: The thresholds.
        to_stage: Where the candidate would go.
        integrity: What is wrong with the candidate's files, from `core.registry.manifest.check`.
    Returns:
        One result a gate: `verified_artifact`, `min_accuracy`, `quality_gates`, and `attainment_drop` where there is
        a Production version to compare with.
    """
    decisive = to_stage is Stage.PRODUCTION
    attainment = candidate.metrics.get(ATTAINMENT)
    gates = [
        integrity_gate(candidate, integrity, settings),
        judge(
            "min_accuracy",
            attainment,
            ">=",
            settings.min_accuracy,
            reason="" if attainment is not None else f"{candidate.version} was registered without attainment",
            blocking=decisive,
        ),
        _quality_gate(candidate, blocking=decisive and settings.require_quality_gates),
    ]
    if production is not None and production.version != candidate.version:
        gates.append(_drop_gate(candidate, production, settings, blocking=decisive))
    return tuple(gates)


def integrity_gate(version: ModelVersion, integrity: Sequence[str], settings: PromotionSettings) -> GateResult:
    """Judge whether the files of a version are those that were registered."""
    return judge(
        VERIFIED_ARTIFACT,
        float(len(integrity)),
        "<=",
        0.0,
        unit="problems",
        n_samples=version.n_files,
        reason="; ".join(integrity[:3]) or f"{version.n_files} files hashed, all as registered",
        n_offending=len(integrity),
        offending=integrity,
        blocking=settings.require_verified_artifact,
    )


def _quality_gate(candidate: ModelVersion, *, blocking: bool) -> GateResult:
    failed = [gate.name for gate in candidate.gates if gate.blocks]
    n_gates = len(candidate.gates)
    if not n_gates:
        reason = f"no quality gates were recorded with {candidate.version}"
    elif failed:
        reason = f"the training data failed {', '.join(failed)}"
    else:
        reason = f"the training data passed {n_gates} gates"
    return judge(
        "quality_gates",
        float(len(failed)) if n_gates else None,
        "<=",
        0.0,
        unit="failed",
        n_samples=n_gates,
        reason=reason,
        n_offending=len(failed),
        offending=failed,
        blocking=blocking,
    )


def _drop_gate(
    candidate: ModelVersion, production: ModelVersion, settings: PromotionSettings, *, blocking: bool
) -> GateResult:
    before, after = production.metrics.get(ATTAINMENT), candidate.metrics.get(ATTAINMENT)
    if before is None or after is None:
        bare = production if before is None else candidate
        # A Production version without the metric must not keep every successor out: said, but not blocking.
        return judge(
            "attainment_drop",
            None,
            "<=",
            settings.max_attainment_drop,
            reason=f"{bare.version} was registered without attainment, so the two cannot be compared",
            blocking=blocking and before is not None,
        )
    return judge(
        "attainment_drop",
        round(before - after, 9),  # 0.90 - 0.88 must not exceed 0.02 by a rounding error
        "<=",
        settings.max_attainment_drop,
        reason=f"attainment {after:.4f} against {before:.4f} of {production.version}, now in Production",
        blocking=blocking,
    )
