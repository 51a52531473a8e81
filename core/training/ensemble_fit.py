"""Ensembles at the end of a session: trained on its draws, and compared with the best single model.

Who is compared is chosen on the validation panel: the ensemble with the least loss among those tried, and the single
model with the least loss among the session's own and the members alone. The weights and the meta-learner come from
out-of-fold answers to the draws. Then a panel that is drawn for this comparison alone, and that chose nothing, decides
whether the ensemble ships.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pandas as pd

from core.arrays import AnyArray, FloatArray
from core.domains.catalogue import create
from core.domains.report_section import ReportSection
from core.errors import CoreError
from core.executors.errors import ExecutorError
from core.json_documents import converted
from core.models import Model, train_all
from core.models.ensembles.improvement import Improvement, improvement
from core.models.learners.members import EnsembleLearner
from core.models.model_stack import ModelStack
from core.models.supervised import SupervisedModel
from core.progress import begins
from core.seeds import derive_seed
from core.settings import TrainingSettings
from core.training.ensemble_plan import EnsemblePlan, PlannedEnsemble
from core.training.panels import COMPARISON, Draw, SessionPanels
from core.training.records import EnsembleRecord, MemberRecord

log = logging.getLogger(__name__)

WAY = "ensemble"
OWN = "own"
"""The session's own model among the single models."""


@dataclass(frozen=True, slots=True)
class TriedEnsembles:
    """What became of the ensembles.

    Attributes:
        winners: The ensembles that ship, by model.
        records: The comparison of each model for which an ensemble was trained.
        draw: The panel of the comparison; None if nothing was compared.
    """

    winners: dict[str, Model]
    records: tuple[EnsembleRecord, ...]
    draw: Draw | None


def try_ensembles(
    settings: TrainingSettings,
    plan: EnsemblePlan,
    singles: Mapping[str, Model],
    pool: Draw,
    validation: Draw,
    panels: SessionPanels,
) -> TriedEnsembles:
    """Train the ensembles of a plan, and compare each model's best with its best single model.

    Args:
        settings: The session's settings.
        plan: What to try.
        singles: The session's own models, trained.
        pool: The draws to train on.
        validation: The panel that chooses who is compared; none was trained on it.
        panels: Draws the panel of the comparison.
    """
    tried = {
        name: _trained(settings, [each for each in plan.ensembles if each.is_for(name)], name, pool, panels)
        for name in plan.models
    }
    tried = {name: ensembles for name, ensembles in tried.items() if ensembles}
    if not tried:
        return TriedEnsembles({}, (), None)
    draw = panels.comparison()
    winners: dict[str, Model] = {}
    records = []
    for name, ensembles in tried.items():
        begins(f"the comparison of the ensembles of {name}")
        record, best = _compared(settings, name, ensembles, singles[name], validation, draw, panels)
        if record is None or best is None:
            continue
        records.append(record)
        if record.ships:
            winners[name] = best
    return TriedEnsembles(winners, tuple(records), draw)


def members_of(model: Model) -> tuple[MemberRecord, ...]:
    """Return the members of an ensemble with their weights and shares; none for a single model."""
    account = model.report().get("ensemble")
    if not isinstance(account, dict):
        return ()
    return tuple(converted(entry, MemberRecord) for entry in account["members"])


def as_shipped(record: EnsembleRecord, model: Model) -> EnsembleRecord:
    """Return the record of an ensemble that ships with its final weights: they follow the last rows that it learns."""
    if not record.ships:
        return record
    losses = {member.member: member.loss for member in record.members}
    members = (msgspec.structs.replace(member, loss=losses.get(member.member)) for member in members_of(model))
    return msgspec.structs.replace(record, members=tuple(members))


def figures_of_comparison(records: Iterable[EnsembleRecord], model: str) -> dict[str, float]:
    """Return the improvement of a model's ensemble, with its interval, as metrics of the version."""
    return {
        f"{COMPARISON}.improvement{end}": value
        for record in records
        if record.model == model
        for end, value in (("", record.improvement), ("_low", record.low), ("_high", record.high))
        if value is not None
    }


def sections_of(records: Iterable[EnsembleRecord], groups: str) -> tuple[ReportSection, ...]:
    """Return the tables of the final report, which the console shows, too."""
    records = tuple(records)
    if not records:
        return ()
    compared = ReportSection(
        title="Ensembles",
        about="Gain: loss of the best single model less that of the ensemble, as a share of it, with its 95 % interval "
        f"over the {groups} of a panel that chose neither. An ensemble ships only if the whole interval is above zero. "
        + " ".join(_verdict(record, groups) for record in records),
        columns=("model", "ensemble", "gain", "95 % interval", "ships"),
        rows=tuple(
            (
                record.model,
                record.strategy,
                _share(record.improvement, record),
                _interval(record),
                "ensemble" if record.ships else "single",
            )
            for record in records
        ),
    )
    members = ReportSection(
        title="Members of the ensembles",
        about="Weights in the mean, or slopes of a linear meta-learner; a share is the part of a member in the answer.",
        columns=("model", "member", "weight", "share", "loss alone"),
        rows=tuple(
            (
                record.model,
                member.member,
                "–" if member.weight is None else f"{member.weight:.3f}",
                f"{member.share:.1%}",
                "–" if member.loss is None else f"{member.loss:.4g}",
            )
            for record in records
            for member in record.members
        ),
    )
    return compared, members


def _verdict(record: EnsembleRecord, groups: str) -> str:
    """Say in a sentence what ships and why, without a figure of the learning scale."""
    if record.low is None or record.high is None:
        return f"Of {record.model} {_own(record.own)} ships: one of {groups} shows nothing."
    where = f"{record.single}, over {record.n_groups} {groups}"
    if record.ships:
        return f"Of {record.model} the ensemble ships: it is better than {where}."
    found = "worse than" if record.high < 0.0 else "not surely better than"
    return f"Of {record.model} {_own(record.own)} ships: the ensemble is {found} {where}."


def _own(name: str) -> str:
    """Name the session's own model; records of earlier releases do not."""
    return f"{name}, the session's own model," if name else "the session's own model"


def _interval(record: EnsembleRecord) -> str:
    if record.low is None or record.high is None:
        return "unknown"
    return f"{_share(record.low, record)} to {_share(record.high, record)}"


def _share(value: float, record: EnsembleRecord) -> str:
    return f"{value / record.single_loss:+.2%}" if record.single_loss else f"{value:+.3g}"


def _trained(
    settings: TrainingSettings, ensembles: Sequence[PlannedEnsemble], name: str, pool: Draw, panels: SessionPanels
) -> dict[str, SupervisedModel]:
    found: dict[str, SupervisedModel] = {}
    for planned in ensembles:
        begins(f"{planned.strategy} for {name}")
        seed = derive_seed(settings.random_seed, "ensembles")
        try:
            model = create(name, algorithm=planned.strategy, settings=planned.parameters, domain=panels.domain)
            if isinstance(model, SupervisedModel):
                train_all({name: model}, pool.panel, seed, 1)
                found[planned.strategy] = model
        except ExecutorError:
            raise
        except (CoreError, ValueError, ArithmeticError):  # such as a fold without a single event, which some refuse
            log.warning("%s for %s could not be trained; it does not ship", planned.strategy, name, exc_info=True)
    return found


def _compared(
    settings: TrainingSettings,
    name: str,
    ensembles: Mapping[str, SupervisedModel],
    own: Model,
    validation: Draw,
    draw: Draw,
    panels: SessionPanels,
) -> tuple[EnsembleRecord | None, Model | None]:
    if not isinstance(own, SupervisedModel):
        return None, None
    on_validation = {strategy: losses_of(model, validation.panel.frame) for strategy, model in ensembles.items()}
    strategy = min(on_validation, key=lambda each: float(on_validation[each][WAY].mean()))
    best = ensembles[strategy]
    singles = {OWN: losses_of(own, validation.panel.frame)[WAY]}
    singles |= {member: losses for member, losses in on_validation[strategy].items() if member != WAY}
    single = min(singles, key=lambda each: float(singles[each].mean()))
    on_draw = losses_of(best, draw.panel.frame)
    single_losses = losses_of(own, draw.panel.frame)[WAY] if single == OWN else on_draw[single]
    group = _groups(best, draw.panel.frame)
    seed = derive_seed(settings.random_seed, "ensemble interval")
    found = improvement(single_losses, on_draw[WAY], group, seed=seed)
    told = f"{own.shipping} of the session" if single == OWN else f"{single} alone"
    record = EnsembleRecord(
        model=name,
        strategy=str(best.report()["ensemble"]["strategy"]),
        single=told,
        single_loss=found.single_loss,
        improvement=found.value,
        low=_finite(found.low),
        high=_finite(found.high),
        n_rows=found.n_rows,
        n_groups=found.n_groups,
        ships=found.is_shown,
        why=_why(found, panels.domain.groups, told, own=own.shipping),
        members=tuple(
            msgspec.structs.replace(
                member, loss=float(on_draw[member.member].mean()) if member.member in on_draw else None
            )
            for member in members_of(best)
        ),
        validation={
            **{strategy: float(losses[WAY].mean()) for strategy, losses in on_validation.items()},
            **{f"single {each}": float(losses.mean()) for each, losses in singles.items()},
        },
        own=own.shipping,
    )
    return record, best


def losses_of(model: SupervisedModel, frame: pd.DataFrame) -> dict[str, FloatArray]:
    """Return the loss of each judged row: the model's own under `ensemble`, and those of its members by name.

    A member of another target has no loss.
    """
    rows = model.compared_rows(frame)
    target = model.target(rows)
    found = {WAY: model.row_losses(target, model.score(rows))}
    if isinstance(model, ModelStack):
        own = model.bases.get(model.name)
        return found if own is None else {**found, model.name: model.row_losses(target, own.score(rows))}
    learner = model.learners[model.shipping]
    if isinstance(learner, EnsembleLearner):
        scores = learner.member_scores(model.matrices(rows))
        found |= {name: model.row_losses(target, scores[:, k]) for k, name in enumerate(learner.members)}
    return found


def _groups(model: SupervisedModel, frame: pd.DataFrame) -> AnyArray:
    return np.asarray(pd.factorize(model.compared_rows(frame)[model.keys[0]])[0])


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _why(found: Improvement, groups: str, single: str, *, own: str) -> str:
    ships = f"{_own(own)} ships"
    if found.n_groups < 2:
        return f"{ships}: the panel of the comparison has one of {groups}, which shows nothing"
    over = f"over {found.n_groups} {groups}"
    told = f"{found.value:.4g} ({found.low:.4g} to {found.high:.4g}) {over}"
    if found.is_shown:
        return f"the ensemble ships: its loss is below that of {single}, by {told}"
    if found.high < 0:
        worse = f"{-found.value:.4g} ({-found.high:.4g} to {-found.low:.4g}) {over}"
        return f"{ships}: the loss of the ensemble is above that of {single}, by {worse}"
    return f"{ships}: the ensemble is not shown to have a lower loss than {single}; its gain is {told}"
