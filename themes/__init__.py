"""How the console looks: palettes, and one style sheet per widget or screen."""

from __future__ import annotations

from themes.sheets import style_sheets

__all__ = ["style_sheets"]
