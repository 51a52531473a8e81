"""What a session asks of its domain, checked when the session is asked for. Light: no learner is imported for it."""

from collections.abc import Iterable

import msgspec

from core.domains.catalogue import algorithms_of
from core.domains.domain import SessionDomain
from core.domains.registry import session_domain
from core.errors import UsageError
from core.models.errors import UnknownAlgorithmError
from core.settings import ModelSettings, TrainingSettings


class DomainSettingsError(UsageError):
    """The block `domain_settings` is not as the domain wants it."""

    def __init__(self, domain: str, problem: object, known: Iterable[str]) -> None:
        choices = ", ".join(known) or "none"
        super().__init__(f"domain_settings of {domain}: {problem}. Its settings: {choices}.")


def domain_of(settings: TrainingSettings) -> SessionDomain:
    """Return the domain that a session trains on.

    Raises:
        UsageError: There is no such domain, or it draws no data.
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
    """Hold the settings of a session against its domain, and name the models it trains where they name none.

    Raises:
        UsageError: There is no such domain, or its settings are not as they must be.
        UninstalledModelError: The domain has no such model, and no package brings it.
        UnknownAlgorithmError: A model cannot be trained the way the settings say; the message lists the ways.
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
