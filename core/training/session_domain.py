"""A session's use of its domain, checked when the session is requested. Light: imports no learner."""

from collections.abc import Iterable

import msgspec

from core.domains.catalogue import algorithms_of
from core.domains.domain import SessionDomain
from core.domains.registry import session_domain
from core.errors import UsageError
from core.models.errors import UnknownAlgorithmError
from core.settings import ModelSettings, TrainingSettings


class DomainSettingsError(UsageError):
    """The block `domain_settings` is not valid for the domain."""

    def __init__(self, domain: str, problem: object, known: Iterable[str]) -> None:
        choices = ", ".join(known) or "none"
        super().__init__(f"domain_settings of {domain}: {problem}. Its settings: {choices}.")


def domain_of(settings: TrainingSettings) -> SessionDomain:
    """Return the domain of a session.

    Raises:
        UsageError: There is no such domain, or it does not draw data.
    """
    return session_domain(settings.domain)


def domain_settings(settings: TrainingSettings) -> msgspec.Struct:
    """Return the domain's own settings as its typed model.

    Raises:
        DomainSettingsError: A key is unknown, or a value is of another type or out of its range.
    """
    kind = domain_of(settings).settings
    try:
        return msgspec.convert(settings.domain_settings, kind)
    except msgspec.ValidationError as error:
        raise DomainSettingsError(settings.domain, error, kind.__struct_fields__) from None


def checked(settings: TrainingSettings) -> TrainingSettings:
    """Check the settings of a session against its domain, and fill in the models to train where none are named.

    Raises:
        UsageError: There is no such domain, or its settings are invalid.
        UninstalledModelError: Neither the domain nor an installed package has this model.
        UnknownAlgorithmError: A model does not offer the algorithm in the settings; the message lists its algorithms.
    """
    domain = domain_of(settings)
    domain_settings(settings)
    if not settings.models:
        settings = msgspec.structs.replace(settings, models={name: ModelSettings() for name in domain.models})
    for name, model in settings.models.items():
        algorithms = algorithms_of(name, domain)
        if model.algorithm not in algorithms:
            raise UnknownAlgorithmError(name, model.algorithm, algorithms)
    return settings
