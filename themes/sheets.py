"""Finds the style sheets, in a checkout and in an installed wheel alike."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent


def shared_sheets() -> list[Path]:
    """List the sheets that every screen needs, in the order in which they must be read.

    Returns:
        Absolute paths for `App.CSS_PATH`: the base first, then widgets, then the frame of the screens, so that a screen
        may override a widget of equal specificity.
    """
    return [_FOLDER / "base.tcss", _FOLDER / "widgets.tcss", screen_sheet("frame")]


def screen_sheet(name: str) -> Path:
    """Return the style sheet of a screen for `Screen.CSS_PATH`: it is parsed when the screen is first shown."""
    return _FOLDER / "screens" / f"{name}.tcss"


def style_sheets() -> list[Path]:
    """List every style sheet, the shared sheets first."""
    shared = shared_sheets()
    return [*shared, *sorted(set((_FOLDER / "screens").glob("*.tcss")) - set(shared))]
