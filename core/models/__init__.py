"""Models that keep learning: spread, downgrade, liquidity shock and anomaly, and the yardsticks they are judged by.

    model = create("spread")
    model.update(panel, seed=1)            # and again, with fresh panels: it knows more each time
    model.evaluate(validation_panel)       # {"r2": …, "attainment": …}
    model.report()["why"]                  # what was tried, what ships, and why
    model.save(folder); load_model(folder)

Importing this package loads neither numpy nor LightGBM; the names below load what they need when first touched.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from core.models.catalogue import GROUP, MODEL_NAMES, create, known_models, load_model, model_class

if TYPE_CHECKING:
    from core.models.fleet import update_all
    from core.models.interface import Model, Panel, PanelLike
    from core.models.yardsticks import Attainment

__all__ = [
    "GROUP",
    "MODEL_NAMES",
    "Attainment",
    "Model",
    "Panel",
    "PanelLike",
    "create",
    "known_models",
    "load_model",
    "model_class",
    "update_all",
]

_HOME = {
    "Attainment": "yardsticks",
    "Model": "interface",
    "Panel": "interface",
    "PanelLike": "interface",
    "update_all": "fleet",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
