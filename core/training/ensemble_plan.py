"""What the blocks `ensemble` and `advanced` ask of a session: which ensembles, of which members. Light: no learner."""

from collections.abc import Iterable
from dataclasses import dataclass

from core.domains.catalogue import algorithms_of
from core.domains.domain import SessionDomain
from core.models.algorithms import ENSEMBLES, MEMBERS, is_installed
from core.settings import TrainingSettings

Parameters = dict[str, float | int | bool | str]

STACKING, BLENDING, METHODS = "ensemble.enable_stacking", "ensemble.enable_blending", "advanced.enable_ensemble_methods"
STAND_IN_META = "linear"


@dataclass(frozen=True, slots=True)
class PlannedEnsemble:
    """One ensemble to try.

    Attributes:
        strategy: Its algorithm: voting, blending or stacking.
        members: The algorithms that it combines.
        parameters: Of its algorithm.
    """

    strategy: str
    members: tuple[str, ...]
    parameters: Parameters


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
    if not ensembles:
        return EnsemblePlan(left_out=left_out)
    names = tuple(settings.models or domain.models)
    models = tuple(name for name in names if set(ENSEMBLES) <= set(algorithms_of(name, domain)))
    if single := [name for name in names if name not in models]:
        left_out = (*left_out, f"ensembles are on, but {', '.join(single)} cannot be one: it is trained singly.")
    return EnsemblePlan(models, ensembles, left_out)


def asked_ensembles(settings: TrainingSettings) -> tuple[tuple[PlannedEnsemble, ...], tuple[str, ...]]:
    """Return the ensembles that the settings switch on, and what they ask for that is not done, a sentence each."""
    ensembles: dict[str, PlannedEnsemble] = {}
    left_out: list[str] = []
    for key, strategy, named in _asked(settings):
        members, notes = _usable(named)
        left_out += [f"{key} is on, but {note}." for note in notes]
        if len(members) < 2:
            left_out.append(f"{key} is on, but has fewer than two members left: the models are trained singly.")
            continue
        own, more = _parameters(settings, strategy)
        left_out += more
        parameters: Parameters = {"members": ", ".join(members), **own}
        ensembles[f"{strategy} {parameters}"] = PlannedEnsemble(strategy, members, parameters)
    return tuple(ensembles.values()), tuple(left_out)


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
    """Return the members that can be combined, and why others cannot."""
    members: list[str] = []
    notes: list[str] = []
    models: list[str] = []
    for name in dict.fromkeys(named):
        if name not in MEMBERS:
            models.append(name)
        elif not is_installed(name):
            notes.append(f"{name} is not installed and is left out (pip install 'bondx-console[{name}]')")
        else:
            members.append(name)
    if models:
        notes.append(
            f"{', '.join(models)} cannot be combined: the members are algorithms that learn one target, not models of "
            f"different targets. To combine algorithms for every model, name two or more of {', '.join(MEMBERS)} in "
            "base_models"
        )
    return tuple(members), notes


def _parameters(settings: TrainingSettings, strategy: str) -> tuple[Parameters, list[str]]:
    own, other = settings.ensemble, settings.advanced
    if strategy == "blending":
        return {"diversity": other.diversity}, []
    if strategy == "voting":
        return {"voting": other.voting, "folds": own.cross_validation_folds, "diversity": other.diversity}, []
    meta, notes = own.meta_learner, list[str]()
    if not is_installed(meta):
        notes.append(f"ensemble.meta_learner is {meta}, which is not installed: a {STAND_IN_META} one replaces it.")
    chosen = STAND_IN_META if notes else meta
    return {"folds": own.cross_validation_folds, "meta_learner": chosen}, notes
