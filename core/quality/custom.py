"""Gates of a user's own: registered by name, and called for by name from the settings."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from core.errors import NotFoundError, UsageError
from core.quality.gate import GateResult, judge

if TYPE_CHECKING:
    import pandas as pd

    from core.settings.quality import QualityGates

ENTRY_POINT_GROUP = "bondx.gates"

GateFunction = Callable[["pd.DataFrame", "QualityGates"], GateResult]
G = TypeVar("G", bound=GateFunction)

_registered: dict[str, GateFunction] = {}


class UnknownGateError(NotFoundError):
    """The settings call for a gate nobody has registered."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        choices = ", ".join(known) or "none; install the package that brings it"
        super().__init__(f"There is no custom gate {name!r}. Known gates: {choices}.")


class GateNameTakenError(UsageError):
    """Two gates want the same name."""


def register_gate(name: str) -> Callable[[G], G]:
    """Register a function as a gate that settings may call for in `custom_gates`.

    Args:
        name: The gate's name, as settings will spell it.
    Returns:
        A decorator for a function of the bonds and the gates' settings that returns a `GateResult`.
    Raises:
        GateNameTakenError: Another function has this name.
    """

    def register(function: G) -> G:
        taken = _registered.get(name)
        if taken is not None and (taken.__module__, taken.__qualname__) != (function.__module__, function.__qualname__):
            raise GateNameTakenError(f"There already is a gate {name!r}, from {taken.__module__}.")
        _registered[name] = function
        return function

    return register


def known_gates() -> tuple[str, ...]:
    """Return the names that `custom_gates` may hold: those registered, and those of installed packages."""
    from importlib.metadata import entry_points

    return tuple(sorted({*_registered, *(point.name for point in entry_points(group=ENTRY_POINT_GROUP))}))


def resolve(name: str) -> GateFunction:
    """Return the gate of this name.

    Raises:
        UnknownGateError: Nobody has registered it and no installed package brings it.
        UsageError: The package that brings it cannot be loaded.
    """
    from importlib.metadata import entry_points

    if name in _registered:
        return _registered[name]
    for point in entry_points(group=ENTRY_POINT_GROUP, name=name):
        try:
            function: GateFunction = point.load()
        except Exception as error:
            raise UsageError(f"The custom gate {name!r} ({point.value}) cannot be loaded: {error}.") from error
        return function
    raise UnknownGateError(name, known_gates())


def apply(name: str, bonds: "pd.DataFrame", settings: "QualityGates") -> GateResult:
    """Apply a custom gate; one that raises, or answers something else than a result, has failed.

    Raises:
        UnknownGateError: There is no such gate.
    """
    gate = resolve(name)
    try:
        result = gate(bonds, settings)
    except Exception as error:  # a stranger's code: whatever goes wrong in it is a failed gate, not a failed epoch
        return _broken(name, f"the gate itself failed: {type(error).__name__}: {error}")
    if not isinstance(result, GateResult):
        return _broken(name, f"the gate returned {type(result).__name__}, not a GateResult")
    return result


def _broken(name: str, reason: str) -> GateResult:
    return judge(name, None, ">=", 0.0, reason=reason)
