"""The list of domains: built-in, and of installed packages. Light to import."""

from typing import cast

from core.domains.domain import Domain, ModelOffer, SessionDomain
from core.errors import CoreError, UsageError
from core.plugins import DOMAINS, PluginLoadError, Plugins

_BUILT_IN = {
    "bonds": "core.domains.bonds.domain:BONDS",
    "etrm": "core.domains.etrm.domain:ETRM",
    "table": "core.domains.table.domain:TABLE",
}

_plugins = Plugins(DOMAINS, "domain", _BUILT_IN)


def domain_names() -> tuple[str, ...]:
    """Name every domain: built-in domains first, then those of installed packages."""
    return _plugins.names()


def built_in_domains() -> tuple[Domain, ...]:
    """Return the built-in domains."""
    return tuple(map(find_domain, _BUILT_IN))


def find_domain(name: str) -> Domain:
    """Return a domain.

    Raises:
        UnknownPluginError: There is no such domain; the message lists the known domains.
        PluginLoadError: The package that offers it cannot be imported, or offers another kind of
            object or an object of another name.
    """
    found = _plugins.load(name)
    place = type(found).__qualname__
    try:  # the properties are third-party code
        is_domain = isinstance(found, Domain) and all(isinstance(offer, ModelOffer) for offer in found.models.values())
    except Exception as error:
        raise PluginLoadError("domain", name, place, f"its members cannot be read: {error}") from error
    if not is_domain:
        raise PluginLoadError("domain", name, place, "it is not a core.domains.Domain with a ModelOffer for each model")
    if found.name != name:
        raise PluginLoadError("domain", name, place, f"its `name` is {found.name!r}, but its entry point says {name!r}")
    return cast(Domain, found)


def session_domain(name: str) -> SessionDomain:
    """Return a domain that a session can train on.

    Raises:
        UnknownPluginError: There is no such domain.
        UsageError: It does not draw data, or lacks another member of `SessionDomain`.
    """
    found = find_domain(name)
    missing = [member for member in _MEMBERS if not _has(found, member)]
    if "draw" in missing and _has(found, "prepare"):
        raise UsageError(
            f"domain is {name!r}, which does not draw data, so no session can train on it. Train on a file "
            "instead: bondx-mlops train."
        )
    if missing:
        members = ", ".join(f"`{member}`" for member in missing)
        raise UsageError(f"The domain {name!r} has no {members} (core/domains/domain.py lists what a domain has).")
    return cast(SessionDomain, found)


def session_domain_names() -> tuple[str, ...]:
    """Name the domains that a session can train on; a package that cannot be loaded is left out."""
    names = []
    for name in domain_names():
        try:
            session_domain(name)
        except CoreError:
            continue
        names.append(name)
    return tuple(names)


_MEMBERS = [name for protocol in (Domain, SessionDomain) for name in vars(protocol) if not name.startswith("_")]


def _has(found: Domain, member: str) -> bool:
    """Look for a member without reading a property: reading `checks` would load pandas."""
    return hasattr(type(found), member) or hasattr(found, member)
