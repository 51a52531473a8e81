"""Plug-ins of installed packages: entry points, listed without imports, loaded by name.

A package adds a plug-in with one line in its metadata, such as

    [project.entry-points."bondx.models"]
    convexity = "my_package.convexity:ConvexityModel"
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from core.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

DOMAINS = "bondx.domains"
MODELS = "bondx.models"
GATES = "bondx.gates"
COLUMNS = "bondx.columns"


class UnknownPluginError(NotFoundError):
    """No built-in or installed plug-in has this name."""

    def __init__(self, noun: str, name: str, known: Sequence[str]) -> None:
        choices = ", ".join(known) or "none; install the package that provides it"
        super().__init__(f"There is no {noun} {name!r}. Known {noun}s: {choices}.")


class PluginLoadError(UsageError):
    """An installed package offers a plug-in that cannot be imported."""

    def __init__(self, noun: str, name: str, place: str, reason: object) -> None:
        why = f"it ends the program on import ({reason})" if isinstance(reason, SystemExit) else reason
        super().__init__(f"The {noun} {name!r} ({place}) cannot be loaded: {why}.")


class PluginNameTakenError(UsageError):
    """Two installed packages offer different plug-ins under one name."""

    def __init__(self, noun: str, name: str, places: Sequence[str]) -> None:
        super().__init__(
            f"The {noun} {name!r} is offered by more than one package: {', '.join(places)}. Uninstall all but one."
        )


@dataclass(frozen=True, slots=True)
class Plugins:
    """One kind of plug-in, built in or from installed packages.

    An installed package cannot take over a built-in name.

    Attributes:
        group: The entry-point group.
        noun: The name of the kind in messages.
        built_in: The built-in plug-ins by name, as `module:attribute`.
        unknown: Makes the error for an unknown name, from the name and the known names.
    """

    group: str
    noun: str
    built_in: Mapping[str, str] = field(default_factory=dict)
    unknown: Callable[[str, Sequence[str]], NotFoundError] | None = None

    def names(self) -> tuple[str, ...]:
        """Return all names: built-in plug-ins in their order, then installed plug-ins in alphabetical order."""
        installed = sorted(point.name for point in self._points())
        return tuple(dict.fromkeys([*self.built_in, *installed]))

    def load(self, name: str) -> Any:
        """Import one plug-in and return its object.

        Raises:
            NotFoundError: There is no such plug-in: `UnknownPluginError`, or the error from `unknown`.
            PluginNameTakenError: Several installed packages offer different plug-ins with this name.
            PluginLoadError: The package that offers it cannot be imported.
        """
        if (place := self.built_in.get(name)) is not None:
            return load_object(place)
        points = {point.value: point for point in self._points() if point.name == name}
        if not points:
            make = self.unknown or (lambda missing, known: UnknownPluginError(self.noun, missing, known))
            raise make(name, self.names())
        if len(points) > 1:
            raise PluginNameTakenError(self.noun, name, sorted(points))
        place, point = points.popitem()
        try:
            return point.load()
        except (Exception, SystemExit) as error:  # third-party code: whatever it raises, it cannot be loaded
            raise PluginLoadError(self.noun, name, place, error) from error

    def _points(self) -> "Iterable[EntryPoint]":
        from importlib.metadata import entry_points  # an import of 15 ms, only on demand

        return entry_points(group=self.group)


def installed_plugins() -> Iterator[tuple[str, str, str]]:
    """List the plug-ins of installed packages, without importing any: what it is, its name, `module:attribute`."""
    from importlib.metadata import entry_points

    for group, noun in ((DOMAINS, "domain"), (MODELS, "model"), (GATES, "gate"), (COLUMNS, "column")):
        for point in entry_points(group=group):
            yield noun, point.name, point.value


def load_object(place: str) -> Any:
    """Return the object at `module:attribute`.

    >>> load_object("core.errors:UsageError").__name__
    'UsageError'
    """
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)
