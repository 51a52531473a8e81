"""Which models there are: the four built in, and those of installed packages. Light to import.

A model of one's own is one class (a `Model`) and one line in its package's metadata:

    [project.entry-points."bondx.models"]
    convexity = "my_package.convexity:ConvexityModel"
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.models.errors import ArtifactError, UnknownModelError
from core.plugins import MODELS, Plugins, load_object

if TYPE_CHECKING:
    from core.models.interface import Model

MODEL_NAMES = ("spread", "downgrade", "liquidity_shock", "anomaly")

_BUILT_IN = {
    "spread": "core.domains.bonds.models.spread:SpreadModel",
    "downgrade": "core.domains.bonds.models.downgrade:DowngradeModel",
    "liquidity_shock": "core.domains.bonds.models.liquidity_shock:LiquidityShockModel",
    "anomaly": "core.domains.bonds.models.anomaly:AnomalyModel",
}
# Of any name, on any table: `bondx-mlops train`.
_UNLISTED = {"table": "core.domains.table.models.model:TableModel"}

_plugins = Plugins(MODELS, "model", _BUILT_IN, unknown=UnknownModelError)


def known_models() -> tuple[str, ...]:
    """Name every model that `create` accepts: the built-in ones, then the installed ones."""
    return _plugins.names()


def model_class(name: str) -> "type[Model]":
    """Find the class of a model; a built-in name cannot be taken over by an installed package.

    Raises:
        UnknownModelError: There is no such model, or the package that offers it cannot be loaded as one.
    """
    from core.models.interface import Model

    found = load_object(_UNLISTED[name]) if name in _UNLISTED else _plugins.load(name)
    if not (isinstance(found, type) and issubclass(found, Model)):
        raise UnknownModelError(name, [f"{name} is offered by a package, but is not a core.models.Model"])
    return found


def create(name: str, *, algorithm: str = "auto", settings: Mapping[str, Any] | None = None) -> "Model":
    """Make a model that has learnt nothing yet.

    Args:
        name: One of `known_models()`.
        algorithm: How to train it; "auto" tries what suits it and ships what wins.
        settings: Parameters handed to the algorithm.
    Raises:
        UnknownModelError: There is no such model.
        UnknownAlgorithmError: The model cannot be trained that way.
        UnknownParameterError: A parameter is none the algorithm takes.
        MissingExtraError: The algorithm needs an optional extra that is not installed.
    """
    return model_class(name)(algorithm, settings)


def load_model(folder: Path) -> "Model":
    """Read a saved model of any name; nothing in the folder is executed.

    Call it only after the registry has checked the folder against its manifest.

    Raises:
        ArtifactError: The artifact is damaged, tampered with, or of a model that is not known here.
    """
    from core.models.persistence.archive import read_model

    header, _ = read_model(folder)
    try:
        kind = model_class(str(header.get("model")))
    except UnknownModelError as error:
        raise ArtifactError(f"{folder} holds a model this installation does not know: {error}") from error
    return kind.load(folder)
