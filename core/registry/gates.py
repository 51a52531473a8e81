"""Promotion gates: what a version must show before it moves up, as pure functions of the records."""

from collections.abc import Sequence

from core.explain.stored import ExplanationFinding
from core.quality.gate import GateResult, counted, judge
from core.registry.approvals import ApprovalTally
from core.registry.documents import ModelVersion
from core.registry.language_models import is_language_model
from core.registry.members import measured_together, whole_metric
from core.registry.stages import Stage
from core.registry.tested_rows import n_trained_rows, tested_rows
from core.settings.promotion import PromotionSettings

ATTAINMENT = "attainment"
ACCURACIES = (ATTAINMENT, "accuracy", "r2")  # the metrics `accuracy_metric: auto` looks for, in this order
DRIFT = "drift"
VERIFIED_ARTIFACT = "verified_artifact"
APPROVALS = "approvals"
EXPLAINABILITY = "explainability"
SERVABLE = "servable"


def promotion_gates(
    candidate: ModelVersion,
    production: ModelVersion | None,
    settings: PromotionSettings,
    *,
    to_stage: Stage,
    integrity: Sequence[str],
    explained: ExplanationFinding | None = None,
    approvals: ApprovalTally | None = None,
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
        explained: What its explanation says; needed where the policy asks for one.
        approvals: Which of the approvals of these very files count.
    Returns:
        One result per gate: `verified_artifact`, `min_accuracy`, `quality_gates`; `attainment_drop` where there is a
        Production version to compare with; `max_drift` where drift was measured or must be; `explainability` and
        `approvals` where the policy asks for them.
    """
    decisive = to_stage is Stage.PRODUCTION
    gates = [
        integrity_gate(candidate, integrity, settings),
        _accuracy_gate(candidate, settings, blocking=decisive),
        _quality_gate(candidate, blocking=decisive and settings.require_quality_gates),
    ]
    if production is not None and production.version != candidate.version:
        gates.append(_drop_gate(candidate, production, settings, blocking=decisive))
    if DRIFT in candidate.metrics or settings.require_drift_check:
        gates.append(_drift_gate(candidate, settings, blocking=decisive))
    if settings.require_explainability:
        found = explained or ExplanationFinding(problem=f"no explanation of {candidate.version} was looked for")
        gates.append(explainability_gate(found, settings, blocking=decisive))
    if settings.required_approvals:
        gates.append(approvals_gate(candidate, approvals or ApprovalTally(), settings, blocking=decisive))
    return tuple(gates)


def accuracy_metric(version: ModelVersion, settings: PromotionSettings) -> str:
    """Name the metric that rates a version: the policy's, else the first of `ACCURACIES` that it has."""
    if settings.accuracy_metric != "auto":
        return settings.accuracy_metric
    return next((name for name in ACCURACIES if name in version.metrics), ATTAINMENT)


def integrity_gate(version: ModelVersion, integrity: Sequence[str], settings: PromotionSettings) -> GateResult:
    """Judge whether the files of a version match the registered files."""
    return judge(
        VERIFIED_ARTIFACT,
        float(len(integrity)),
        "<=",
        0.0,
        unit="problems",
        n_samples=version.n_files,
        window="files of the artifact",
        reason="; ".join(integrity[:3]) or f"{version.n_files} files hashed, all as registered",
        n_offending=len(integrity),
        offending=integrity,
        blocking=settings.require_verified_artifact,
    )


def servable_gate(version: ModelVersion, problem: str | None, *, n_rows: int = 0, blocking: bool = True) -> GateResult:
    """Judge whether a version loads and answers rows of its own signature.

    Args:
        version: The version.
        problem: Why it cannot be served, or None.
        n_rows: The rows that it answered in its trial; 0 for a model that declares no fields.
        blocking: Whether a failure stops it.
    """
    rows = counted(n_rows, "rows") if n_rows else "rows"
    done, window = f"answers {rows} of its own signature", "rows of its own signature, in a process of its own"
    if is_language_model(version):
        done, window = "writes a text", "a text, in a process of its own"
    return judge(
        SERVABLE,
        0.0 if problem is None else 1.0,
        "<=",
        0.0,
        unit="problems",
        n_samples=n_rows,
        window=window,
        reason=problem or f"{version.version} loads and {done}",
        blocking=blocking,
    )


def approvals_gate(
    version: ModelVersion, tally: ApprovalTally, settings: PromotionSettings, *, blocking: bool
) -> GateResult:
    """Judge whether enough persons have approved a version, not counting its authors and its promoter."""
    counting = tally.counting
    reason = f"approved by {', '.join(counting)}" if counting else f"nobody has approved {version.version}"
    reason = "; ".join((reason, *tally.notes))
    if len(counting) < settings.required_approvals:
        reason += f"; another person must run: bondx registry approve {version.model} {version.version}"
    return judge(
        APPROVALS,
        float(len(counting)),
        ">=",
        float(settings.required_approvals),
        unit="persons",
        n_samples=tally.n_approvals,
        window="approvals of these files",
        reason=reason,
        blocking=blocking,
    )


def _accuracy_gate(candidate: ModelVersion, settings: PromotionSettings, *, blocking: bool) -> GateResult:
    metric = accuracy_metric(candidate, settings)
    value = candidate.metrics.get(metric)
    reason = ""
    if value is None:
        reason = f"{candidate.version} was registered without {metric}"
    elif metric != ATTAINMENT:
        relation = ">=" if value >= settings.min_accuracy else "<"
        reason = f"{metric} {value:.4g} {relation} {settings.min_accuracy:.4g}"
    n_rows, window = tested_rows(candidate) if value is not None else (0, "")
    return judge(
        "min_accuracy",
        value,
        ">=",
        settings.min_accuracy,
        n_samples=n_rows,
        window=window,
        reason=reason,
        blocking=blocking,
    )


def _drift_gate(candidate: ModelVersion, settings: PromotionSettings, *, blocking: bool) -> GateResult:
    drift = candidate.metrics.get(DRIFT)
    n_rows, window = tested_rows(candidate) if drift is not None else (0, "")
    return judge(
        "max_drift",
        drift,
        "<=",
        settings.max_drift,
        n_samples=n_rows,
        window=window,
        reason="" if drift is not None else f"no drift was measured for {candidate.version}",
        blocking=blocking,
    )


def explainability_gate(found: ExplanationFinding, settings: PromotionSettings, *, blocking: bool) -> GateResult:
    """Judge whether a version is explained: contributions that sum to its answers, and a tree that imitates it.

    Args:
        found: What its explanation says.
        settings: The least fidelity.
        blocking: Whether a failure stops the version.
    """
    if found.problem or not found.sums_hold or not found.n_features or found.fidelity is None:
        if found.problem:
            reason = found.problem
        elif not found.sums_hold:
            reason = f"contributions miss the answers by up to {found.sum_error:.1e}"
        elif not found.n_features:
            reason = "no column moves an answer"
        else:
            reason = f"{found.n_rows} rows are too few for a tree that imitates it"
        value = None
    else:
        value = found.fidelity if settings.min_fidelity else max(found.fidelity, 0.0)
        reason = (
            f"contributions of {found.n_features} features sum to the answers; a small tree imitates it with R² "
            f"{found.fidelity:.2f}"
        )
    return judge(
        EXPLAINABILITY,
        value,
        ">=",
        settings.min_fidelity,
        unit="R²",
        n_samples=found.n_rows,
        window="rows that explain the version",
        reason=reason,
        blocking=blocking,
    )


def _quality_gate(candidate: ModelVersion, *, blocking: bool) -> GateResult:
    failed = [gate.name for gate in candidate.gates if gate.blocks]
    n_gates = len(candidate.gates)
    n_rows = n_trained_rows(candidate)
    judged, rows = ("the model", "documents") if is_language_model(candidate) else ("the training data", "rows")
    if not n_gates:
        reason = f"no quality gates were recorded with {candidate.version}"
    elif failed:
        reason = f"{judged} failed {', '.join(failed)}"
    else:
        reason = f"{judged} passed {n_gates} gates"
    return judge(
        "quality_gates",
        float(len(failed)) if n_gates else None,
        "<=",
        0.0,
        unit="failed",
        n_samples=n_rows,
        window=f"{rows} of the training data{'' if n_rows else ', of unrecorded number'}" if n_gates else "",
        reason=reason,
        n_offending=len(failed),
        offending=failed,
        blocking=blocking,
    )


def _drop_gate(
    candidate: ModelVersion, production: ModelVersion, settings: PromotionSettings, *, blocking: bool
) -> GateResult:
    metric = accuracy_metric(production, settings)
    before, after = production.metrics.get(metric), candidate.metrics.get(metric)
    tested, tested_before = candidate, production
    if (member := measured_together(candidate, production)) is not None:
        tested = tested_before = member
        if member is candidate:
            before = whole_metric(member, metric)
        else:
            after = whole_metric(member, metric)
    if before is None or after is None:
        bare = production if before is None else candidate
        # A Production version without the metric must not block every successor: the gate fails without blocking.
        return judge(
            "attainment_drop",
            None,
            "<=",
            settings.max_attainment_drop,
            reason=f"{bare.version} was registered without {metric}, so the two cannot be compared",
            blocking=blocking and before is not None,
        )
    (n_rows, window), (n_before, window_before) = tested_rows(tested), tested_rows(tested_before)
    same = (n_rows, window) == (n_before, window_before)
    against = "" if same else f"; {production.version}: {f'{n_before:,} ' if n_before else ''}{window_before}"
    return judge(
        "attainment_drop",
        round(before - after, 9),  # 0.90 - 0.88 must not exceed 0.02 by a rounding error
        "<=",
        settings.max_attainment_drop,
        n_samples=n_rows,
        window=f"{window}{against}",
        reason=f"{metric} {after:.4f} against {before:.4f} of {production.version}, now in Production",
        blocking=blocking,
    )
