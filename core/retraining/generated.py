"""The steps of a retraining whose rows are drawn: every step draws them again, and checks that they are the same."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from core.actor import Actor
from core.arrays import AnyArray
from core.domains.catalogue import load_model
from core.errors import RefusedError
from core.executors.opening import opened
from core.explain.deny_list import DenyList
from core.files import write_file
from core.models import Model, Panel
from core.models.outcomes import Outcomes, outcomes_of
from core.quality import assess
from core.registry import ModelVersion, Registry
from core.retraining.comparing import VersionComparison, compare, compare_rankings
from core.retraining.document import Retraining, StepName
from core.retraining.drift_evidence import drift_of
from core.retraining.errors import NotPassedError
from core.retraining.generator_plan import RECIPE, WORLD_SEED, GeneratorPlan, plan_draws
from core.retraining.results import CARD, INTACT, Card, StepResult, origin_of, way_back
from core.settings import Settings
from core.state import Workspace
from core.tracking import Run, Runs, tracked_run
from core.tracking.experiments import experiment_tags
from core.training.convergence import judge
from core.training.final_fit import NothingLearnedError
from core.training.metrics import finite, measured
from core.training.panels import Draw, SessionPanels
from core.training.records import EpochRecord, FinalRecord
from core.training.registration import facts_of_model
from core.training.run_record import EVERY_EPOCH
from core.training.session_domain import domain_of
from core.training.session_work import SessionWork
from core.training.slicing import domain_slices, slicings_of

SESSION = "session"  # the folder of the epochs, in that of the retraining
NOTE = "drawn rows carry no reported outcomes: nothing to look for poisoning in"


def collect_draws(
    workspace: Workspace, retraining: Retraining, live: ModelVersion, settings: Settings, folder: Path
) -> StepResult:
    """Plan the draws, and draw them once for the record.

    Raises:
        NotPassedError: No session trained the live version.
    """
    plan = plan_draws(workspace, retraining, live, settings)
    panels = _panels(plan)
    learned, newest = _learned(panels, plan), panels.versions()
    plan.write(folder)
    training = plan.training
    evidence = {
        "source": "generator",
        "domain": training.domain,
        "random_seed": training.random_seed,
        WORLD_SEED: plan.world_seed,
        "domain_settings": training.domain_settings,
        "n_rows": len(learned.panel.frame),
        "n_learn": len(learned.panel.frame),
        "n_newest": len(newest.panel.frame),
        "draws": {"learn": learned.record.sha256, "newest": newest.record.sha256},
        "notes": [],
    }
    rows = panels.domain.rows
    reason = (
        f"{evidence['n_learn']:,} {rows} drawn in {plan.n_draws} draws to learn from, and {evidence['n_newest']:,} of "
        f"other {panels.domain.groups} to compare on (world {plan.world_seed}, seed {training.random_seed})"
    )
    return StepResult(outcome="done", reason=reason, evidence=evidence)


def check_draws(workspace: Workspace, retraining: Retraining, live: ModelVersion, folder: Path) -> StepResult:
    """Hold the draws to the quality gates, and compare them with what the live version learned from.

    Raises:
        NotPassedError: The draws failed a gate.
    """
    plan = GeneratorPlan.read(folder)
    panels = _panels(plan)
    learned = _same(_learned(panels, plan), retraining, "learn")
    denied = DenyList.in_force(workspace.root).among(map(str, learned.panel.frame.columns))
    gates_of_plan, checks = plan.training.quality_gates, panels.domain.checks
    report = assess(learned.panel.frame, checks, gates_of_plan, source="the draws", denied=denied)
    gates = [f"{gate.name}: {gate.verdict}" for gate in report.gates if str(gate.verdict) != "pass"]
    with Registry(workspace).opened(live.model, live.version) as artifact:
        model = load_model(artifact)
        evidence: dict[str, Any] = {
            "gates": gates,
            "quality_score": report.score,
            "drift": drift_of(workspace, live, artifact, _judged(model, learned.panel.frame)),
        }
    if not report.passed:
        failed = "; ".join(f"{gate.name}: {gate.reason}" for gate in report.gates if gate.blocks)
        raise NotPassedError(f"the draws failed a quality gate: {failed}", evidence)
    evidence["way_back"] = way_back(live)
    drifted = f"drift against the training data: {evidence['drift']['verdict']}"
    reason = f"the draws pass the quality gates; {drifted}; {NOTE}; {INTACT.format(live.key)}"
    return StepResult(outcome="done", reason=reason, evidence=evidence)


def train_on_draws(workspace: Workspace, retraining: Retraining, live: ModelVersion, folder: Path) -> StepResult:
    """Train as the session did that made the live version, until its criteria end it; a new attempt resumes it.

    Raises:
        NotPassedError: None of the draws passed its quality gates.
    """
    plan = GeneratorPlan.read(folder)
    settings, domain = plan.training, domain_of(plan.training)
    warm, why_not = _warm_start(workspace, live, plan) if retraining.policy.start == "warm" else ({}, None)
    work = SessionWork(settings, folder / SESSION, world_seed=plan.world_seed, warm_start=warm)
    with opened(settings), _tracked(workspace, retraining, plan) as (runs, run):
        try:
            final, last = _trained(work, plan, runs, run)
        except NothingLearnedError as error:
            raise NotPassedError(str(error), {}) from error
        (made,) = final.models
        facts = facts_of_model(made, final, last, plan.settings, domain)
        runs.log_metrics(run.run_id, final.epoch + 1, facts.metrics)
        runs.set_data_hashes(run.run_id, {draw.purpose: draw.sha256 for draw in final.draws}, actor=Actor.engine())
    lineage = {
        **facts.lineage,
        RECIPE: plan.settings,
        WORLD_SEED: plan.world_seed,
        "retraining": origin_of(retraining),
    }
    card = Card(
        metrics=facts.metrics,
        lineage=lineage,
        gates=facts.gates,
        description=f"{facts.description}, trained anew by {retraining.retraining_id}",
        run_id=run.run_id,
        folder=f"{SESSION}/{made.folder}",
    )
    write_file(folder / CARD, msgspec.json.encode(card))
    evidence = {
        "ships": made.chosen,
        "n_epochs": final.epoch,
        "n_rows": sum(draw.n_rows for draw in final.draws if draw.purpose == "draws"),
        "metrics": {name: round(value, 6) for name, value in facts.metrics.items()},
        "gates": [f"{gate.name}: {gate.verdict}" for gate in facts.gates if str(gate.verdict) != "pass"],
    }
    n_epochs = f"{final.epoch} epochs of {settings.dataset_size:,} {domain.rows}"
    how = ""
    if retraining.policy.start == "warm":
        went_on = made.way == "continued" and bool(warm)
        how = f"; it {'continues' if went_on else 'does not continue'} {live.key}, by the validation rows"
        how = how if warm else f"; {live.key} cannot continue to learn ({why_not}), so a new model began"
    if final.tuning:
        how += f"; tuning: {final.tuning[0].why}"
    return StepResult(
        outcome="done",
        reason=f"{made.chosen} trained in {n_epochs} as {live.key} was{how}",
        evidence=evidence,
        run_id=run.run_id,
    )


def compare_on_draws(
    workspace: Workspace, retraining: Retraining, live: ModelVersion, new_folder: Path, folder: Path
) -> tuple[VersionComparison, dict[str, float]]:
    """Compare both versions on rows that none has seen, drawn from the present world.

    Returns:
        The comparison, and the attainment of both versions where the best attainable score is known.
    """
    plan = GeneratorPlan.read(folder)
    panels = _panels(plan)
    panel = _same(panels.versions(), retraining, "newest").panel
    new_model, policy = load_model(new_folder), retraining.policy.validation
    with Registry(workspace).opened(live.model, live.version) as artifact:
        model = load_model(artifact)
        old, new = _judged(model, panel.frame), _judged(new_model, panel.frame)
        attained = {
            name: figure
            for name, each in (("live", model), ("new", new_model))
            if (figure := _attainment(each, live.model, panel, plan.training.domain)) is not None
        }
    group = _groups(old, panels.domain.group_column)
    if model.task == "detection":
        events = old.rows[model.label].to_numpy(dtype=np.float64)
        found = compare_rankings("newest rows", events, old.answer, new.answer, group, margin=policy.margin)
    else:
        slices = domain_slices(old.rows, panels.domain)
        found = compare("newest rows", old, new, slices, group, margin=policy.margin, slice_margin=policy.slice_margin)
    denied = DenyList.in_force(workspace.root).with_slicings(slicings_of(old.rows, panels.domain))
    return found.without_names(denied), attained


def _warm_start(workspace: Workspace, live: ModelVersion, plan: GeneratorPlan) -> tuple[dict[str, Model], str | None]:
    """Open the live version if it can learn on; else say why it cannot."""
    with Registry(workspace).opened(live.model, live.version) as artifact:
        model = load_model(artifact)
    why_not = model.why_not_continued()
    return (dict.fromkeys(plan.training.models, model) if why_not is None else {}), why_not


def _panels(plan: GeneratorPlan) -> SessionPanels:
    return SessionPanels(plan.training, world_seed=plan.world_seed)


def _learned(panels: SessionPanels, plan: GeneratorPlan) -> Draw:
    return panels.pooled([True] * plan.n_draws, most=plan.n_draws * plan.training.dataset_size)


def _same(draw: Draw, retraining: Retraining, name: str) -> Draw:
    """Check that a step draws what the first step recorded.

    Raises:
        RefusedError: The domain or its libraries draw something else now.
    """
    recorded = retraining.observed.step(StepName.COLLECT).evidence.get("draws", {}).get(name)
    if recorded is not None and recorded != draw.record.sha256:
        raise RefusedError(
            f"the generator no longer draws what was recorded (SHA-256 {recorded}): the domain or a "
            "library has changed. Cancel this retraining and start another."
        )
    return draw


def _judged(model: Model, frame: Any) -> Outcomes:
    """Answer the rows that the metrics of a model judge."""
    return outcomes_of(model, model.judged_rows(frame).reset_index(drop=True))


def _groups(outcomes: Outcomes, column: str | None) -> AnyArray:
    if column is None or column not in outcomes.rows:
        return np.arange(len(outcomes.rows))
    return outcomes.rows[column].to_numpy()


def _attainment(model: Model, name: str, panel: Any, domain: str) -> float | None:
    return finite(measured(model, name, Panel(panel.frame, panel.truth), domain=domain)).get("attainment")


def _trained(work: SessionWork, plan: GeneratorPlan, runs: Runs, run: Run) -> tuple[FinalRecord, EpochRecord]:
    """Search parameters where the recipe does, run epochs until the criteria of the recipe end them, and finish."""
    began = time.monotonic()
    while work.is_tuning:
        work.tune()

    def has_ended() -> bool:
        seconds = time.monotonic() - began
        return bool(work.history) and judge(work.history, plan.training, trained_seconds=seconds).end is not None

    while not has_ended():
        record = work.run_epoch(len(work.history) + 1).record
        score = {} if record.score is None else {"score": record.score}
        runs.log_metrics(run.run_id, record.epoch, {**record.metrics, EVERY_EPOCH: record.quality_score, **score})
    final, last = work.finish(), work.last
    assert last is not None
    return final, last


@contextmanager
def _tracked(workspace: Workspace, retraining: Retraining, plan: GeneratorPlan) -> Iterator[tuple[Runs, Run]]:
    training = plan.training
    algorithms = [each.algorithm for each in training.models.values()]
    with (
        Runs(workspace) as runs,
        tracked_run(
            workspace,
            runs,
            retraining.model,
            actor=Actor.engine(),
            parameters={**plan.settings, WORLD_SEED: plan.world_seed},
            tags={"kind": "retraining"} | experiment_tags(training.experiment_name or training.domain, algorithms),
        ) as run,
    ):
        yield runs, run
