"""What a policy wants of a new version beside its comparison: that it is explained, and that it holds under stress."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec

from core.domains.catalogue import load_model
from core.domains.domain import SessionDomain
from core.domains.registry import find_domain, session_domain, session_domain_names
from core.domains.stress import StressedDomain
from core.errors import CoreError
from core.explain.stored import finding_in
from core.json_documents import converted
from core.quality.gate import GateResult, judge
from core.registry import ModelVersion, Registry
from core.registry.gates import explainability_gate
from core.settings import PolicySource, Settings
from core.settings.retraining import RetrainingValidation, StressGate
from core.state import Workspace
from core.stress.choosing import drawn_request, label_engine, stress_engine
from core.stress.model_figures import ModelUnderStress
from core.stress.stress_test import StressRequest, chosen_cases
from core.stress.stressed_models import StressedModel, stressed_models

STRESS = "stress"
FIGURES = ("error", "loss")  # against the truth where it is known, else on the labels
MOST_NAMED = 5


def challenger_gates(
    workspace: Workspace, live: ModelVersion, new_folder: Path, validation: RetrainingValidation, settings: Settings
) -> tuple[GateResult, ...]:
    """Judge a new version by the gates that the policy names; none where it names none.

    Args:
        workspace: Of the live version, and of the policy of promotions.
        live: The live version.
        new_folder: The files of the new version.
        validation: The rules.
        settings: The settings in force: the world of the panel, and the thresholds of its quality gates.
    """
    return tuple(_gates(workspace, live, new_folder, validation, settings))


def _gates(
    workspace: Workspace, live: ModelVersion, new_folder: Path, validation: RetrainingValidation, settings: Settings
) -> Iterator[GateResult]:
    promotion = PolicySource(workspace.root).policy().for_model(live.model).promotion
    if validation.require_explanation or promotion.require_explainability:
        yield explainability_gate(finding_in(new_folder), promotion, blocking=True)
    if validation.stress is not None:
        yield stress_gate(workspace, live, new_folder, validation.stress, settings)


def stress_gate(
    workspace: Workspace, live: ModelVersion, new_folder: Path, rules: StressGate, settings: Settings
) -> GateResult:
    """Judge a new version under stress: its error in each scenario against that of the live version there.

    Both answer the same rows, which are new to both. Where the domain cannot stress the model, the gate fails: a policy
    that wants the proof does not get it.

    Args:
        workspace: Of the live version.
        live: The live version.
        new_folder: The files of the new version.
        rules: The scenarios, and how much worse the new version may be.
        settings: The settings in force.
    """
    domain = domain_of_model(live.model)
    if domain is None:
        return _unjudged(rules, f"no domain with stress tests has a model {live.model}")
    request = StressRequest(domain=domain.name, scenarios=rules.scenarios, severities=rules.severities)
    try:
        cases = chosen_cases(request)
        engine = label_engine(domain.name, stress_engine(domain.name))
        panel = drawn_request(domain.name, n_rows=rules.rows, seed=settings.random_seed)
        if settings.domain == domain.name:
            panel = replace(panel, settings=converted(settings.domain_settings, domain.settings))
        with Registry(workspace).opened(live.model, live.version) as artifact:
            models = [
                StressedModel(name, load_model(folder), {})
                for name, folder in (("live", artifact), ("new", new_folder))
            ]
            old, new = stressed_models(models, engine, panel, cases, checks=domain.checks, gates=settings.quality_gates)
    except (CoreError, msgspec.ValidationError) as error:
        return _unjudged(rules, str(error))
    return judge_stress(old, new, rules)


def judge_stress(live: ModelUnderStress, new: ModelUnderStress, rules: StressGate) -> GateResult:
    """Compare two versions under the same scenarios.

    Args:
        live: The live version.
        new: The new version, on the same rows.
        rules: How much worse the new version may be.
    """
    ratios: list[tuple[float, str]] = []
    for before, after in zip(live.cases, new.cases, strict=True):
        name = next((name for name in FIGURES if name in before.figures and name in after.figures), None)
        if name is None:
            continue
        was, now = before.figures[name], after.figures[name]
        ratio = now / was if was > 0 else (1.0 if now <= 0 else float("inf"))
        ratios.append((ratio, f"{after.key}: {name} {now:.4g} against {was:.4g}"))
    if not ratios:
        return _unjudged(rules, "neither error nor loss is known under any scenario")
    ratios.sort(key=lambda each: (-each[0], each[1]))
    worst, where = ratios[0]
    failed = [sentence for ratio, sentence in ratios if ratio > rules.max_error_ratio]
    return judge(
        STRESS,
        worst,
        "<=",
        rules.max_error_ratio,
        unit="times the live version's error",
        n_samples=new.n_rows,
        window=f"stressed rows in {len(ratios)} scenarios",
        reason=f"worst under {where}",
        n_offending=len(failed),
        offending=failed[:MOST_NAMED],
    )


def domain_of_model(model: str) -> SessionDomain | None:
    """Return the domain that has stress tests and a model of this name, if there is one."""
    for name in session_domain_names():
        found = find_domain(name)
        if model in found.models and isinstance(found, StressedDomain):
            return session_domain(name)
    return None


def _unjudged(rules: StressGate, reason: str) -> GateResult:
    return judge(STRESS, None, "<=", rules.max_error_ratio, unit="times the live version's error", reason=reason)
