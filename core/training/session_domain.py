"""A session's use of its domain, checked when the session is requested. Light: imports no learner."""

from collections.abc import Iterable

import msgspec

from core.domains.catalogue import algorithms_of, known_models, model_class
from core.domains.domain import SessionDomain, SmallDrawDomain
from core.domains.registry import session_domain
from core.errors import UsageError
from core.escape import shown
from core.executors.dask_connection import require_certificates, require_dask
from core.json_documents import converted
from core.models.algorithms import MEMBERS, require_extra
from core.models.errors import UnknownAlgorithmError
from core.quality import custom
from core.settings import ModelSettings, TrainingSettings, cautions
from core.settings.training import FEW_ROWS
from core.training.ensemble_plan import EnsemblePlan, models_of, plan_of
from core.training.own_models import require_own_columns
from core.training.session_stress import stress_announcements
from core.training.specialism import require_slice
from core.training.tuning.plan import TuningPlan, tuning_of
from core.training.without_effect import without_effect


class DomainSettingsError(UsageError):
    """The block `domain_settings` is not valid for the domain."""

    def __init__(self, domain: str, problem: object, known: Iterable[str]) -> None:
        choices = ", ".join(known) or "none"
        super().__init__(f"domain_settings of {domain}: {problem}. Its settings: {choices}.")


class TooFewRowsError(UsageError):
    """`dataset_size` is below the smallest draw of the domain."""

    def __init__(self, n_rows: int, least: int, domain: SessionDomain) -> None:
        super().__init__(
            f"dataset_size is {n_rows}: fewer than {least} {domain.rows} often have fewer than two {domain.groups}, so "
            f"that none can be held out to judge the models. Set it to {least} or more for {domain.name}; from "
            f"{FEW_ROWS} rows on, the scores depend more on the models than on the draw."
        )


def domain_of(settings: TrainingSettings) -> SessionDomain:
    """Return the domain of a session.

    Raises:
        UsageError: There is no such domain, or it does not draw data.
    """
    return session_domain(settings.domain)


def on_domain(settings: TrainingSettings, name: str) -> TrainingSettings:
    """Return the settings for a domain: another domain has neither the models nor the own settings of theirs.

    Raises:
        UsageError: There is no such domain, or it does not draw data.
    """
    session_domain(name)
    if name == settings.domain:
        return settings
    return msgspec.structs.replace(settings, domain=name, domain_settings={}, models={})


def domain_settings(settings: TrainingSettings) -> msgspec.Struct:
    """Return the domain's own settings as its typed model.

    Raises:
        DomainSettingsError: A key is unknown, or a value is of another type or out of its range.
    """
    kind = domain_of(settings).settings
    try:
        return converted(settings.domain_settings, kind)
    except msgspec.ValidationError as error:
        raise DomainSettingsError(settings.domain, error, kind.__struct_fields__) from None


def ensembles_of(settings: TrainingSettings) -> EnsemblePlan:
    """Return the ensembles that a session tries, and what it leaves out."""
    return plan_of(settings, domain_of(settings))


def tuning_plan(settings: TrainingSettings) -> TuningPlan:
    """Return the searches of parameters of a session, and what it leaves out.

    Raises:
        UsageError: A range is invalid, or the method needs Optuna, which is not installed.
    """
    return tuning_of(settings, domain_of(settings))


def not_done(settings: TrainingSettings) -> tuple[str, ...]:
    """List, a sentence each, what the settings switch on and the session does not do."""
    return (
        *ensembles_of(settings).left_out,
        *tuning_plan(settings).left_out,
        *stress_announcements(settings),
    )


def announcements(settings: TrainingSettings) -> tuple[str, ...]:
    """List, a sentence each, what a person should know about these settings before a session starts with them."""
    return (*not_done(settings), *without_effect(settings), *cautions(settings))


def checked(settings: TrainingSettings) -> TrainingSettings:
    """Check the settings of a session against its domain and this installation.

    Returns:
        The settings, with the models to train where none are named, and the members of ensembles by their own names.

    Raises:
        UsageError: There is no such domain, it has no such slice, or its settings are invalid; or an ensemble has an
            unknown member, or bounds that no weights meet; or `quality_gates.limits` names a gate that the domain does
            not have; or a file of `executor.tls` cannot be used.
        TooFewRowsError: The domain's draws of `dataset_size` rows cannot be split.
        UnknownGateError: `quality_gates.custom_gates` names a gate that is not installed.
        UninstalledModelError: Neither the domain nor an installed package has this model.
        MissingOwnColumnError: The data lack a column that a model of an installed package predicts or reads.
        UnknownAlgorithmError: A model does not offer the algorithm in the settings; the message lists its algorithms.
        MissingExtraError: An algorithm needs an optional extra that is not installed.
        UnknownParameterError, ParameterValueError: A parameter of an algorithm is unknown, or of another kind.
        MissingDaskError: The executor is a Dask cluster, and Dask is not installed.
        MissingOptunaError: The Bayesian search of parameters needs Optuna, which is not installed.
    """
    domain = domain_of(settings)
    own_settings = domain_settings(settings)
    if isinstance(domain, SmallDrawDomain) and settings.dataset_size < domain.least_rows:
        raise TooFewRowsError(settings.dataset_size, domain.least_rows, domain)
    require_slice(settings, domain)
    custom.require_known(settings.quality_gates.custom_gates)
    if settings.quality_gates.limits:  # only they need the checks, whose libraries take a while to load
        domain.checks.require_known(settings.quality_gates.limits)
    if not settings.models:
        settings = msgspec.structs.replace(
            settings, models={name: ModelSettings() for name in models_of(settings, domain)}
        )
    for name, model in settings.models.items():
        algorithms = algorithms_of(name, domain)
        if model.algorithm not in algorithms:
            raise UnknownAlgorithmError(name, model.algorithm, algorithms)
        require_extra(model.algorithm)
        if model.parameters:  # only they need the learner that takes them
            kind = model_class(name, domain).trained_by(model.algorithm)
            kind.check_parameters(model.algorithm, model.parameters)
    require_own_columns(settings, domain, own_settings)
    if settings.executor.kind == "dask":
        require_dask()
        require_certificates(settings.executor.tls)
    tuning_of(settings, domain)  # which refuses ranges that cannot be searched
    settings = _with_known_members(settings, known_models(domain))
    plan_of(settings, domain)  # which refuses bounds that no weights meet
    return settings


def _with_known_members(settings: TrainingSettings, models: tuple[str, ...]) -> TrainingSettings:
    """Replace the members of ensembles by their own names; `spread_model` is the model `spread`."""
    blocks = {}
    for name in ("ensemble", "advanced"):
        block = getattr(settings, name)
        members = tuple(_member(value, f"{name}.base_models[{i}]", models) for i, value in enumerate(block.base_models))
        if twice := next((member for member in members if members.count(member) > 1), None):
            raise UsageError(f"{name}.base_models names {twice} twice, once as {twice}_model. Name it once.")
        blocks[name] = msgspec.structs.replace(block, base_models=members)
    return msgspec.structs.replace(settings, **blocks)


def _member(value: str, place: str, models: tuple[str, ...]) -> str:
    model = value.removesuffix("_model")
    if value in (*MEMBERS, "residual", *models):
        return value
    if model in models:
        return model
    raise UsageError(
        f"{place} is {shown(value)}: expected an algorithm ({', '.join(MEMBERS)}) or a model ({', '.join(models)})."
    )
