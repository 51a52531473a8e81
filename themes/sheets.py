"""Finds the style sheets, in a checkout and in an installed wheel alike."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent


def style_sheets() -> list[Path]:
    """List every style sheet in the order in which it must be read.

    Returns:
        Absolute paths for `App.CSS_PATH`: the shared base first, then widgets, then screens, so that a screen may
        overrule a widget of equal specificity.
    """
    base = _FOLDER / "base.tcss"
    widgets = sorted(path for path in _FOLDER.glob("*.tcss") if path != base)
    return [base, *widgets, *sorted((_FOLDER / "screens").glob("*.tcss"))]
