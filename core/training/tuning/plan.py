"""What `advanced.enable_hyperparameter_tuning` asks of a session: which models are tuned, and over which ranges."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from core.domains.catalogue import algorithms_of, model_class
from core.domains.domain import SessionDomain
from core.errors import UsageError
from core.models.algorithms import ENSEMBLES, MODEL_STACKING
from core.models.errors import UnknownParameterError
from core.models.interface import Model
from core.models.parameters import FEATURES
from core.models.tuning.bayesian import require_optuna
from core.models.tuning.ranges import (
    NumberRange,
    ParameterValue,
    SearchRange,
    SearchRanges,
    ValueList,
    grid,
    number_range,
)
from core.models.tuning.usual import USUAL
from core.settings import ModelSettings, TrainingSettings
from core.settings.training import ParameterRange
from core.training.ensemble_plan import models_of
from core.training.tuning.outcome import TuningOutcome
from core.training.tuning.words import with_features

SWITCH, SELECTION = "advanced.enable_hyperparameter_tuning", "advanced.enable_feature_selection"
LEAST_ROWS, MOST_ROWS = 500, 4_000


@dataclass(frozen=True, slots=True)
class PlannedSearch:
    """The search for one model.

    Attributes:
        model: The model.
        algorithm: Its algorithm.
        given: Its parameters in the settings.
        ranges: What is searched.
    """

    model: str
    algorithm: str
    given: Mapping[str, ParameterValue]
    ranges: SearchRanges


@dataclass(frozen=True, slots=True)
class TuningPlan:
    """What a session tunes, and what it leaves out.

    Attributes:
        searches: By model.
        selections: The models whose columns are chosen.
        left_out: What the settings ask for and the session does not do, a sentence each.
    """

    searches: tuple[PlannedSearch, ...] = ()
    selections: tuple[PlannedSearch, ...] = ()
    left_out: tuple[str, ...] = ()


def tuning_of(settings: TrainingSettings, domain: SessionDomain) -> TuningPlan:
    """Plan the searches of a session.

    Args:
        settings: Its settings.
        domain: Its domain.
    Raises:
        UsageError: A range is invalid, or the method needs Optuna, which is not installed.
        ParameterValueError: A value of a range is of another kind than the parameter.
    """
    selections, without = _selections(settings, domain)
    named = ranges_in(settings)
    if not settings.advanced.enable_hyperparameter_tuning:
        return TuningPlan(selections=selections, left_out=without)
    if settings.advanced.tuning_method == "bayesian":
        require_optuna()
    searches: list[PlannedSearch] = []
    left_out: list[str] = []
    taken: set[str] = set()
    for name, own in (settings.models or {name: ModelSettings() for name in models_of(settings, domain)}).items():
        if not set(ENSEMBLES) <= set(algorithms_of(name, domain)):
            left_out.append(f"{SWITCH} is on, but {name} has no loss on rows held out: it is trained as given.")
            continue
        if own.algorithm in (*ENSEMBLES, MODEL_STACKING):
            left_out.append(f"{SWITCH} is on, but {name} is an ensemble: its parameters are used as given.")
            continue
        ranges = taken_by(model_class(name, domain), own, named or USUAL.get(own.algorithm, {}), is_named=bool(named))
        taken |= set(ranges)
        if ranges:
            searches.append(PlannedSearch(name, own.algorithm, own.parameters, ranges))
        else:
            left_out.append(f"{SWITCH} is on, but {name} ({own.algorithm}) takes no parameter of the ranges.")
    if searches and (unused := [name for name in named if name not in taken]):
        left_out.append(f"advanced.parameter_ranges: no model takes {', '.join(unused)}; left out of the search.")
    return TuningPlan(tuple(searches), selections, (*left_out, *without))


def _selections(settings: TrainingSettings, domain: SessionDomain) -> tuple[tuple[PlannedSearch, ...], tuple[str, ...]]:
    """Return the models whose columns are chosen, and what is left out, a sentence each."""
    found: list[PlannedSearch] = []
    without: list[str] = []
    if settings.advanced.enable_feature_selection:
        for name, own in (settings.models or {name: ModelSettings() for name in models_of(settings, domain)}).items():
            if not set(ENSEMBLES) <= set(algorithms_of(name, domain)):
                without.append(f"{SELECTION} is on, but {name} has no target to judge columns by: all are kept.")
            elif own.algorithm == MODEL_STACKING:
                without.append(f"{SELECTION} is on, but {name} is a stack, whose members read the columns of theirs.")
            elif FEATURES in own.parameters:
                without.append(f"{SELECTION} is on, but models.{name}.parameters names the columns of {name}.")
            else:
                found.append(PlannedSearch(name, own.algorithm, own.parameters, {}))
    return tuple(found), tuple(without)


def ranges_in(settings: TrainingSettings) -> dict[str, SearchRange]:
    """Read `parameter_ranges`.

    Raises:
        UsageError: A range is empty or invalid.
    """
    found: dict[str, SearchRange] = {}
    for name, given in settings.advanced.parameter_ranges.items():
        if isinstance(given, ParameterRange):
            found[name] = number_range(name, given.low, given.high, is_log=given.log)
        elif given:
            found[name] = ValueList(tuple(dict.fromkeys(given)))
        else:
            raise UsageError(
                f"advanced.parameter_ranges.{name} has no value to try. Name one or more, or leave it out."
            )
    if settings.advanced.tuning_method == "grid_search":
        grid(found)  # which refuses a grid that is too large
    return found


def taken_by(kind: type[Model], own: ModelSettings, ranges: SearchRanges, *, is_named: bool) -> dict[str, SearchRange]:
    """Return the ranges of the parameters that a model takes and that its settings leave open.

    Args:
        kind: The model.
        own: Its settings. What they fix is not searched in the usual ranges; ranges that a person names win.
        ranges: Those to choose from.
        is_named: Whether a person has named them.
    Raises:
        ParameterValueError: A value is of another kind than the parameter.
    """
    found: dict[str, SearchRange] = {}
    for name, each in ranges.items():
        if not is_named and name in own.parameters:
            continue
        try:
            for value in _ends(each):
                kind.check_parameters(own.algorithm, {name: value})
        except UnknownParameterError:
            continue
        found[name] = each
    return found


def rows_of(settings: TrainingSettings) -> int:
    """Return how many rows a search is scored on: as many as the epochs draw, within limits."""
    if settings.tuning.rows:
        return settings.tuning.rows
    return min(max(settings.max_epochs * settings.dataset_size, LEAST_ROWS), MOST_ROWS)


def with_outcome(settings: TrainingSettings, outcome: TuningOutcome | None) -> TrainingSettings:
    """Return the settings with the columns and the parameters of the models whose verdicts say so."""
    if outcome is None:
        return settings
    # The parameters of a search contain the columns that were chosen before it.
    shipped = {each.model: with_features(settings.models[each.model].parameters, each) for each in outcome.selections}
    shipped |= {record.model: record.best for record in outcome.records if record.ships and record.best is not None}
    models = {
        name: msgspec.structs.replace(own, parameters=shipped.get(name, own.parameters))
        for name, own in settings.models.items()
    }
    return msgspec.structs.replace(settings, models=models)


def _ends(each: SearchRange) -> tuple[ParameterValue, ...]:
    return (each.at(0.0), each.at(1.0)) if isinstance(each, NumberRange) else each.values
