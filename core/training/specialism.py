"""Sessions on one slice of a domain: which slices there are, and the names of their models. Light."""

import re
from collections.abc import Mapping

from core.domains.domain import SessionDomain, SpecialisedDomain
from core.errors import UsageError
from core.escape import shown
from core.settings import TrainingSettings

_NOT_OF_NAMES = re.compile(r"[^a-z0-9_-]+")


def specialisms_of(domain: SessionDomain) -> Mapping[str, tuple[str, ...]]:
    """Return the slices of a domain that a session can be restricted to, by the name of the slicing."""
    return domain.specialisms if isinstance(domain, SpecialisedDomain) else {}


def require_slice(settings: TrainingSettings, domain: SessionDomain) -> None:
    """Check that a session can be restricted as its settings say.

    Raises:
        UsageError: The domain has no such slice, or the session runs stress tests, whose portfolio is the whole market.
    """
    slices = specialisms_of(domain)
    for name, value in settings.only.items():
        if name not in slices:
            known = ", ".join(slices) or "none"
            raise UsageError(
                f"only names {shown(name)}, which {domain.name} does not divide its rows by. It has: {known}."
            )
        if value not in slices[name]:
            raise UsageError(f"only.{name} is {shown(value)}. The values of {name}: {', '.join(slices[name])}.")
    if settings.only and settings.stress_testing.enable_stress_testing:
        raise UsageError(
            "only restricts the session to a slice, and stress_testing.enable_stress_testing stresses the whole "
            "market. Switch one of them off."
        )


def registered_name(model: str, only: Mapping[str, str]) -> str:
    """Name a model of a session in the registry: that of a slice is another model than that of all rows.

    >>> registered_name("spread", {}), registered_name("etrm_risk", {"commodity": "GAS_TTF"})
    ('spread', 'etrm_risk_gas_ttf')
    """
    return "_".join((model, *(_NOT_OF_NAMES.sub("_", value.lower()) for _, value in sorted(only.items()))))
