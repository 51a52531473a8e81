"""How soon a change reaches the terminal.

Textual 8.2 draws at most sixty times a second: what follows from a key press (the details of the row the cursor has
moved to) comes a sixtieth of a second after the cursor. Here it follows within two milliseconds. Between changes
nothing is drawn either way, so a screen at rest costs as little as before.
"""

from typing import Any

from textual.timer import Timer

FRAME_SECONDS = 1 / 500


class PromptFrames:
    """A screen that draws again as soon as there is something to draw: `class MyScreen(PromptFrames, Screen[None])`."""

    _frame_timer: Timer | None = None

    @property
    def _update_timer(self) -> Timer:
        """Textual's timer for frames, with a shorter period."""
        if self._frame_timer is None:
            screen: Any = self
            self._frame_timer = screen.set_interval(
                FRAME_SECONDS, screen._on_timer_update, name="screen_update", pause=True
            )
        return self._frame_timer
