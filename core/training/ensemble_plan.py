"""What the blocks `ensemble` and `advanced` ask of a session: which ensembles, of which members. Light: no learner."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.domains.catalogue import algorithms_of
from core.domains.domain import SessionDomain
from core.errors import UsageError
from core.escape import shown
from core.models.algorithms import ENSEMBLES, MEMBERS, MODEL_STACKING, is_installed
from core.models.parameters import bounds_text, require_bounds
from core.settings import TrainingSettings

Parameters = dict[str, float | int | bool | str]

STACKING, BLENDING, METHODS = "ensemble.enable_stacking", "ensemble.enable_blending", "advanced.enable_ensemble_methods"
STAND_IN_META = "linear"
STACKED = "stacking"


@dataclass(frozen=True, slots=True)
class PlannedEnsemble:
    """One ensemble to try.

    Attributes:
        strategy: Its algorithm: voting, blending or stacking.
        members: The algorithms that it combines.
        parameters: Of its algorithm.
        models: The models for which it is tried; none for every model that has ensembles.
    """

    strategy: str
    members: tuple[str, ...]
    parameters: Parameters
    models: tuple[str, ...] = ()

    def is_for(self, model: str) -> bool:
        """Return whether the ensemble is tried for a model."""
        return not self.models or model in self.models


@dataclass(frozen=True, slots=True)
class EnsemblePlan:
    """What a session tries, and what it leaves out.

    Attributes:
        models: The models for which ensembles are tried.
        ensembles: The ensembles, each tried for each of the models.
        left_out: What the settings ask for and the session does not do, a sentence each.
    """

    models: tuple[str, ...] = ()
    ensembles: tuple[PlannedEnsemble, ...] = ()
    left_out: tuple[str, ...] = ()


def plan_of(settings: TrainingSettings, domain: SessionDomain) -> EnsemblePlan:
    """Plan the ensembles of a session.

    Args:
        settings: Its settings.
        domain: Its domain.
    """
    ensembles, left_out = asked_ensembles(settings)
    stacks, notes = _asked_stacks(settings, domain)
    left_out = (*left_out, *notes)
    if not ensembles and not stacks:
        return EnsemblePlan(left_out=left_out)
    names = models_of(settings, domain)
    with_ensembles = [name for name in names if set(ENSEMBLES) <= set(algorithms_of(name, domain))]
    models = tuple(
        name
        for name in names
        if (ensembles and name in with_ensembles) or any(name in stack.models for stack in stacks)
    )
    if single := [name for name in names if name not in models]:
        left_out = (*left_out, f"ensembles are on, but {', '.join(single)} cannot be one: it is trained singly.")
    return EnsemblePlan(models, (*ensembles, *stacks), left_out)


def models_of(settings: TrainingSettings, domain: SessionDomain) -> tuple[str, ...]:
    """Return the models that a session trains: those that the settings name, else those of its domain by default.

    A model that joins others is trained where a stack of them is on.
    """
    if settings.models:
        return tuple(settings.models)
    stacks = any(len(_models_in(named, domain)) > 1 for _, strategy, named in _asked(settings) if strategy == STACKED)
    return tuple(name for name, offer in domain.models.items() if offer.by_default or stacks)


def asked_ensembles(settings: TrainingSettings) -> tuple[tuple[PlannedEnsemble, ...], tuple[str, ...]]:
    """Return the ensembles of algorithms that the settings switch on, and what is not done, a sentence each.

    Names of models are none of algorithms; what becomes of them depends on the domain.
    """
    ensembles: dict[str, PlannedEnsemble] = {}
    left_out: list[str] = []
    for key, strategy, named in _asked(settings):
        algorithms = [name for name in named if name in MEMBERS]
        members, notes = _usable(algorithms)
        left_out += [f"{key} is on, but {note}." for note in notes]
        if len(members) < 2:
            if algorithms or not named:
                left_out.append(f"{key} is on, but has fewer than two members left: the models are trained singly.")
            continue
        own, more = _parameters(settings, strategy, members)
        left_out += more
        parameters: Parameters = {"members": ", ".join(members), **own}
        ensembles[f"{strategy} {parameters}"] = PlannedEnsemble(strategy, members, parameters)
    return tuple(ensembles.values()), tuple(left_out)


def models_left_out(settings: TrainingSettings) -> tuple[str, ...]:
    """Return, a sentence each, why models that are named as members are not stacked where a file is trained on."""
    return tuple(
        f"{key} is on, but {', '.join(models)} cannot be combined on a file: it has one target, and each of these "
        "models has its own. To combine algorithms, name two or more of "
        f"{', '.join(MEMBERS)} in base_models. If the file has the columns and labels of all of them, "
        f"models.NAME.algorithm: {MODEL_STACKING} stacks them."
        for key, _, named in _asked(settings)
        if (models := [name for name in named if name not in MEMBERS])
    )


def _asked_stacks(
    settings: TrainingSettings, domain: SessionDomain
) -> tuple[tuple[PlannedEnsemble, ...], tuple[str, ...]]:
    """Return the stacks of models of different targets, and what the settings ask for that is not done."""
    stacks: dict[str, PlannedEnsemble] = {}
    left_out: list[str] = []
    for key, strategy, named in _asked(settings):
        others = [name for name in dict.fromkeys(named) if name not in MEMBERS]
        if not others:
            continue
        members = _models_in(named, domain)
        if strategy != STACKED:
            left_out.append(
                f"{key} is on, but {', '.join(others)} cannot be combined by {strategy}: they learn different targets, "
                f"which have no mean. {STACKING} stacks models; to combine algorithms, name two or more of "
                f"{', '.join(MEMBERS)} in base_models."
            )
            continue
        if unfit := [name for name in others if _own_name(name, domain) not in members]:
            left_out.append(f"{key} is on, but {', '.join(unfit)} cannot be a member of a stack in {domain.name}.")
        targets = tuple(
            name
            for name in models_of(settings, domain)
            if MODEL_STACKING in algorithms_of(name, domain)
            and (name in members or not getattr(domain.models.get(name), "by_default", True))
        )
        if len(members) < 2 or not targets:
            left_out.append(
                f"{key} is on, but a stack needs two or more models that {domain.name} can stack"
                f"{_stackable(domain)}: the models are trained singly."
            )
            continue
        own, more = _parameters(settings, strategy, members)
        left_out += more
        parameters: Parameters = {"members": ", ".join(members), **own}
        stacks[str(parameters)] = PlannedEnsemble(MODEL_STACKING, members, parameters, targets)
    return tuple(stacks.values()), tuple(left_out)


def _models_in(named: Iterable[str], domain: SessionDomain) -> tuple[str, ...]:
    """Return the models among the members named that can be members of a stack, by their own names."""
    own = dict.fromkeys(_own_name(name, domain) for name in named if name not in MEMBERS)
    return tuple(name for name in own if name in _stackable_names(domain))


def _stackable_names(domain: SessionDomain) -> tuple[str, ...]:
    return tuple(
        name for name, offer in domain.models.items() if MODEL_STACKING in offer.algorithms and offer.by_default
    )


def _stackable(domain: SessionDomain) -> str:
    names = _stackable_names(domain)
    return f" ({', '.join(names)})" if names else ""


def _own_name(name: str, domain: SessionDomain) -> str:
    return name if name in domain.models else name.removesuffix("_model")


def _asked(settings: TrainingSettings) -> Iterable[tuple[str, str, tuple[str, ...]]]:
    """Yield the switches that are on: the key, the strategy, and the members named."""
    own, other = settings.ensemble, settings.advanced
    if own.enable_stacking:
        yield STACKING, "stacking", own.base_models
    if own.enable_blending:
        yield BLENDING, "blending", own.base_models
    if other.enable_ensemble_methods:
        yield METHODS, other.ensemble_strategy, other.base_models


def _usable(named: Iterable[str]) -> tuple[tuple[str, ...], list[str]]:
    """Return the algorithms that can be combined, and why others cannot."""
    members: list[str] = []
    notes: list[str] = []
    for name in dict.fromkeys(named):
        if is_installed(name):
            members.append(name)
        else:
            notes.append(f"{name} is not installed and is left out (pip install 'bondx-console[{name}]')")
    return tuple(members), notes


def _of_weights(settings: TrainingSettings, members: Sequence[str]) -> Parameters:
    """Return how weights are optimised.

    Raises:
        UsageError: Bounds are given of what no `base_models` name, or no weights that sum to 1 lie between them.
    """
    other = settings.advanced
    named = {*settings.ensemble.base_models, *other.base_models}
    if strange := next((name for name in other.weight_bounds if name not in named), None):
        raise UsageError(
            f"advanced.weight_bounds names {shown(strange)}, which is in no base_models. Cure: name one of "
            f"{', '.join(sorted(named))}."
        )
    found: Parameters = {"diversity": other.diversity}
    if bounds := {name: other.weight_bounds[name] for name in members if name in other.weight_bounds}:
        found["weight_bounds"] = bounds_text(bounds)
        require_bounds("advanced", found["weight_bounds"], members)
    return found


def _parameters(settings: TrainingSettings, strategy: str, members: Sequence[str]) -> tuple[Parameters, list[str]]:
    own, other = settings.ensemble, settings.advanced
    if strategy == "blending":
        return _of_weights(settings, members), []
    if strategy == "voting":
        of_vote: Parameters = {"voting": other.voting, "folds": own.cross_validation_folds}
        return {**of_vote, **_of_weights(settings, members)}, []
    meta, notes = own.meta_learner, list[str]()
    if not is_installed(meta):
        notes.append(f"ensemble.meta_learner is {meta}, which is not installed: a {STAND_IN_META} one replaces it.")
    chosen = STAND_IN_META if notes else meta
    return {"folds": own.cross_validation_folds, "meta_learner": chosen}, notes
