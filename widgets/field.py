"""A field for one line of text, whose Enter takes effect before any key behind it."""

from collections.abc import Callable

from textual.widgets import Input

from widgets.line import clean


class TextField(Input):
    """A field that calls back on Enter; Textual's own posts a message, which the keys behind Enter overtake."""

    def __init__(
        self,
        value: str = "",
        *,
        entered: Callable[[str], None],
        id: str | None = None,  # noqa: A002
        placeholder: str = "",
        max_length: int = 0,
    ) -> None:
        """Take what to do with the text on Enter."""
        super().__init__(
            value, id=id, placeholder=placeholder, max_length=max_length, compact=True, select_on_focus=False
        )
        self.cursor_blink = False  # a blinking cursor would send bytes all the time
        self._entered = entered

    def replace(self, text: str, start: int, end: int) -> None:
        """Take the text as it will stand in the field, so that it is measured and the cursor stands behind it."""
        super().replace(clean(text, replacement=""), start, end)

    def validate_value(self, value: str) -> str:
        """Leave out what no terminal shows as a character: a pasted escape sequence must not reach the terminal."""
        return clean(value, replacement="")

    async def action_submit(self) -> None:
        """Hand the text on."""
        self._entered(self.value)
