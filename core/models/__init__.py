"""Models that keep learning: one interface, the learners behind it, and their file format. The domains list the
models.

    model = core.domains.catalogue.create("spread")
    model.update(panel, seed=1)            # repeat with fresh panels: it improves each time
    model.evaluate(validation_panel)       # {"r2": …, "attainment": …}
    model.report()["why"]                  # the candidates, the one that ships, and why
    model.save(folder); load_model(folder)

Importing this package loads neither numpy nor LightGBM; the names below load their libraries when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.models.fleet import train_all
    from core.models.interface import Attainment, Model, Panel, PanelLike

__all__ = [
    "Attainment",
    "Model",
    "Panel",
    "PanelLike",
    "train_all",
]

_HOME = {
    "Attainment": "core.models.interface",
    "Model": "core.models.interface",
    "Panel": "core.models.interface",
    "PanelLike": "core.models.interface",
    "train_all": "core.models.fleet",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
