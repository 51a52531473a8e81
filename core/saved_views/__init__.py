"""Saved views: a desk's own front page, of panes that exist, about the models that it answers for.

saved_view.py  what a view is
panes.py       the panes to choose from, and their columns
checking.py    from plain values to a view, every fault with its place
view_file.py   views as YAML, read and written
store.py       the views of a workspace
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from core.saved_views.checking import checked_view, parse_sort
from core.saved_views.panes import PANES, PaneKind
from core.saved_views.saved_view import MOST_PANES, MOST_VIEWS, SavedView, ViewPane

if TYPE_CHECKING:
    from core.saved_views.store import SavedViews
    from core.saved_views.view_file import check_view_file, load_views, view_yaml

__all__ = [
    "MOST_PANES",
    "MOST_VIEWS",
    "PANES",
    "PaneKind",
    "SavedView",
    "SavedViews",
    "ViewPane",
    "check_view_file",
    "checked_view",
    "load_views",
    "parse_sort",
    "view_yaml",
]

# Who only shows views opens no database and reads no YAML.
_HOMES = {"SavedViews": "store", "check_view_file": "view_file", "load_views": "view_file", "view_yaml": "view_file"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
