"""Synthetic corporate and sovereign bonds with a known truth: issuers, ratings, spreads, liquidity and labels.

The names below load pandas and SciPy when first used; `core.domains.bonds.data.settings` and
`core.domains.bonds.data.columns` are light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.domains.bonds.data.files import FileRecord, PanelLineage, read_lineage, read_panel, write_panel
    from core.domains.bonds.data.panel import BondPanel, generate
    from core.domains.bonds.data.settings import PanelSettings, PanelSettingsError

__all__ = [
    "BondPanel",
    "FileRecord",
    "PanelLineage",
    "PanelSettings",
    "PanelSettingsError",
    "generate",
    "read_lineage",
    "read_panel",
    "write_panel",
]

_HOME = {
    "BondPanel": "panel",
    "FileRecord": "files",
    "PanelLineage": "files",
    "PanelSettings": "settings",
    "PanelSettingsError": "settings",
    "generate": "panel",
    "read_lineage": "files",
    "read_panel": "files",
    "write_panel": "files",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
