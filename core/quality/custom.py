"""A user's own gates: registered by name, and enabled by name in the settings."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import msgspec

from core.errors import CoreError, UsageError
from core.escape import is_shown_as_is
from core.json_documents import converted
from core.plugins import GATES, Plugins, UnknownPluginError
from core.progress import begins
from core.quality.gate import GateResult, judge

if TYPE_CHECKING:
    import pandas as pd

    from core.settings.quality import QualityGates

GateFunction = Callable[..., GateResult]
G = TypeVar("G", bound=GateFunction)

_registered: dict[str, GateFunction] = {}
_installed = Plugins(GATES, "custom gate", unknown=lambda name, known: UnknownGateError(name, (*_registered, *known)))


class UnknownGateError(UnknownPluginError):
    """The settings name a gate that is not registered."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__("custom gate", name, sorted(set(known)))


class GateNameTakenError(UsageError):
    """Two gates have the same name."""


def register_gate(name: str) -> Callable[[G], G]:
    """Register a function as a gate that settings may name in `custom_gates`.

    Args:
        name: The gate's name in the settings.
    Returns:
        A decorator for a function that takes the data and, if it wants, the gates' settings, and returns a
        `GateResult`.
    Raises:
        GateNameTakenError: Another function has this name.
    """

    def register(function: G) -> G:
        taken = _registered.get(name)
        if taken is not None and (taken.__module__, taken.__qualname__) != (function.__module__, function.__qualname__):
            raise GateNameTakenError(f"There is already a gate {name!r}, from {taken.__module__}.")
        _registered[name] = function
        return function

    return register


def known_gates() -> tuple[str, ...]:
    """Return the names that `custom_gates` may hold: registered gates, and gates of installed packages."""
    return tuple(sorted({*_registered, *_installed.names()}))


def resolve(name: str) -> GateFunction:
    """Return the gate of this name.

    Raises:
        UnknownGateError: It is not registered, and no installed package provides it.
        UsageError: The package that provides it cannot be loaded.
    """
    if name in _registered:
        return _registered[name]
    gate: GateFunction = _installed.load(name)
    return gate


def require_known(names: Sequence[str]) -> None:
    """Check that every gate named in the settings exists, without loading any.

    Raises:
        UnknownGateError: A gate does not exist; the message lists the known gates.
    """
    if not names:
        return
    known = known_gates()
    for name in names:
        if name not in known:
            raise UnknownGateError(name, known)


def apply(name: str, frame: "pd.DataFrame", settings: "QualityGates", *, source: str = "the data") -> GateResult:
    """Apply a custom gate; a gate that raises or exits, or returns anything but a result, has failed.

    Args:
        name: The gate.
        frame: The data. The gate gets a copy, so its changes never reach the training data.
        settings: Thresholds.
        source: Where the rows are from: a gate that does not say what its samples are has looked at these rows.
    Raises:
        UnknownGateError: There is no such gate.
    """
    result = _applied(name, frame, settings)
    if result.window:
        return result
    return msgspec.structs.replace(result, n_samples=result.n_samples or len(frame), window=f"rows of {source}")


def _applied(name: str, frame: "pd.DataFrame", settings: "QualityGates") -> GateResult:
    gate = resolve(name)
    begins(f"the gate {name}")
    try:
        result = gate(frame.copy(deep=True), *_thresholds(gate, settings))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # third-party code: an error or an exit in it is a failed gate, not a failed epoch
        return _broken(name, f"the gate itself failed: {type(error).__name__}: {error}")
    if not isinstance(result, GateResult):
        return _broken(name, f"the gate returned {type(result).__name__}, not a GateResult")
    begins("the rest of the checks")
    return _sound(name, result)


def _thresholds(gate: GateFunction, settings: "QualityGates") -> "tuple[QualityGates, ...]":
    """Return the second argument of a gate; a gate may take the data alone."""
    import inspect  # no first frame needs it

    kinds = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    )
    taken = [each for each in inspect.signature(gate).parameters.values() if each.kind in kinds]
    return (settings,) if len(taken) > 1 or any(each.kind is each.VAR_POSITIONAL for each in taken) else ()


def _sound(name: str, result: GateResult) -> GateResult:
    """Return a result whose fields are what they must be; a struct does not check them when it is made."""
    from core.state.encoding import builtins_of  # no first frame needs it

    try:
        read = converted(builtins_of(result, f"the result of the gate {name}"), GateResult)
    except (msgspec.ValidationError, CoreError) as error:
        return _broken(name, f"the gate returned a GateResult that does not read: {error}")
    figures = [read.threshold, *([] if read.value is None else [read.value])]
    if not all(map(math.isfinite, figures)) or not is_shown_as_is(read.name):
        return _broken(
            name, f"the gate returned the value {read.value} and the threshold {read.threshold}, not numbers"
        )
    return read


def _broken(name: str, reason: str) -> GateResult:
    return judge(name, None, ">=", 0.0, reason=reason)
