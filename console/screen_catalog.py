"""The list of screens. An entry here makes the key, the command, the place in the row of screens, and the way there.

A screen is a class in a module of its own: `audit` is `AuditScreen` in `console/screens/audit.py`.
"""

from importlib import import_module
from typing import Any

import msgspec
from textual.screen import Screen


class ScreenEntry(msgspec.Struct, frozen=True):
    """A screen: its key, its name, its title in the row of screens, and its command in the palette."""

    key: str  # "" is opened from another screen, by its own key and command
    name: str
    title: str
    summary: str


SCREENS = (
    ScreenEntry("1", "overview", "Overview", "what is wrong and what is live"),
    ScreenEntry("", "view", "View", "a desk's own front page"),
    ScreenEntry("2", "training", "Training", "sessions, epochs and gates"),
    ScreenEntry("", "runs", "Runs", "tracked runs"),
    ScreenEntry("3", "registry", "Registry", "models and their versions"),
    ScreenEntry("4", "rollouts", "Rollouts", "candidates beside the live versions"),
    ScreenEntry("", "retrainings", "Retrainings", "models trained on what is new, step by step"),
    ScreenEntry("5", "alerts", "Alerts", "firing alerts, and what to do"),
    ScreenEntry("6", "drift", "Drift", "health of live models, and what has moved"),
    ScreenEntry("7", "resources", "Resources", "machine and processes"),
    ScreenEntry("8", "stress", "Stress", "what portfolios lose under scenarios"),
    ScreenEntry("9", "audit", "Audit", "who changed what, and when"),
)
IN_ROW = tuple(screen for screen in SCREENS if screen.key)


def open_screen(name: str) -> Screen[Any]:
    """Make a screen; its module is imported when it is first shown."""
    screen: type[Screen[Any]] = getattr(import_module(f"console.screens.{name}"), f"{name.capitalize()}Screen")
    return screen()
