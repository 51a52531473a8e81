"""The look of the console: palettes, and one style sheet per widget or screen."""

from __future__ import annotations

from themes.sheets import screen_sheet, shared_sheets, style_sheets

__all__ = ["screen_sheet", "shared_sheets", "style_sheets"]
