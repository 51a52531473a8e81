"""An app that shows one widget and keeps what a terminal would have been sent."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from textual._compositor import CompositorUpdate
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widget import Widget

from tests.apps import patient_pilots as patient_pilots
from themes import style_sheets
from themes.palettes import DEFAULT_THEME, THEMES, default_variables
from widgets.glyphs import UNICODE, Glyphs
from widgets.wire import LeanScreen


class Lean(LeanScreen, Screen[None]):
    pass


class Stage(App[None]):
    """Holds the widgets under test, the messages they sent and the bytes of every update."""

    CSS_PATH = [str(path) for path in style_sheets()]
    ENABLE_COMMAND_PALETTE = False

    def __init__(
        self, *widgets: Widget, theme: str = DEFAULT_THEME, glyphs: Glyphs = UNICODE, lean: bool = True
    ) -> None:
        super().__init__()
        for candidate in THEMES.values():
            self.register_theme(candidate)
        self.theme = theme
        self.glyphs = glyphs
        self.set_class(glyphs.name == "ascii", "-ascii")
        self.widgets = widgets
        self.lean = lean
        self.heard: list[Any] = []
        self.sent: list[str] = []
        self.updates: list[CompositorUpdate] = []

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return default_variables()

    def get_default_screen(self) -> Screen[None]:
        return Lean(id="_default") if self.lean else Screen(id="_default")

    def compose(self) -> ComposeResult:
        yield from self.widgets

    def on_live_table_row_highlighted(self, message: Any) -> None:
        self.heard.append(("highlighted", message.row_key))

    def on_live_table_row_chosen(self, message: Any) -> None:
        self.heard.append(("chosen", message.row_key))

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        if isinstance(renderable, CompositorUpdate):
            self.updates.append(renderable)
            self.sent.append(renderable.render_segments(self.console))
        super()._display(screen, renderable)

    def forget(self) -> None:
        """Start counting anew."""
        self.sent.clear()
        self.updates.clear()
        self.heard.clear()

    @property
    def n_bytes(self) -> int:
        return sum(len(text.encode()) for text in self.sent)

    def text(self) -> list[str]:
        """What the screen shows, line by line."""
        return [strip.text.rstrip() for strip in self.screen._compositor.render_strips()]


ShowStage = Callable[..., AbstractAsyncContextManager[Pilot[None]]]


@pytest.fixture
def stage() -> type[Stage]:
    return Stage
