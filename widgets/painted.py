"""The base of our drawings: lines of spans, of which only the changed cells are sent.

Textual repaints a widget whole when its content changes. On an SSH line that is most of the traffic, so these widgets
keep the lines they have drawn, compare them with the new ones, and refresh just the cells that differ.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace
from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from widgets.glyphs import Glyphs, glyphs_of
from widgets.line import Line, changed_ranges, fit_line
from widgets.textual_internals import forget_dirty_regions

_COLOUR_OF_TONE = {
    "key": "tone-accent",
    "title": "tone-muted",
    "alarm": "tone-bad",
    "off": "tone-muted",
    "line": "line",
}
_BOLD = frozenset({"strong", "key", "alarm"})


class Painted(Widget):
    """A widget that draws lines and sends only the differences from the lines before."""

    ALLOW_SELECT = False

    def __init__(
        self,
        *,
        name: str | None = None,
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes, markup=False)
        self._lines: list[Line] = []
        self._lines_size = Size(0, 0)
        self._n_asked = -1
        self._styles_by_span: dict[tuple[str, str], Style] = {}
        self._notice = ""

    @property
    def notice(self) -> str:
        """A sentence that is drawn instead of the content: there is no content yet."""
        return self._notice

    @notice.setter
    def notice(self, sentence: str) -> None:
        if sentence != self._notice:
            self._notice = sentence
            self.repaint()

    def paint(self, width: int, height: int) -> Sequence[Line]:
        """Draw the content into a size; shorter answers are filled with blanks, longer ones cut."""
        raise NotImplementedError

    def n_lines(self, width: int) -> int:
        """Return the number of lines of the content, for widgets whose height is `auto`."""
        return len(self.paint(width, 10_000))

    @property
    def glyphs(self) -> Glyphs:
        """The signs this terminal can draw."""
        return glyphs_of(self)

    def repaint(self) -> None:
        """Draw again and refresh the cells that changed."""
        if not self.is_mounted or not self._lines or self._lines_size != self.size:
            # No drawing of this size is on the terminal yet; the next rendering draws all of it.
            self._lines = []
            self.refresh()
            return
        before, self._lines = self._lines, self._draw()
        regions = [
            Region(first, y, last - first, 1)
            for y, (old, new) in enumerate(zip(before, self._lines, strict=True))
            if old != new
            for first, last in changed_ranges(old, new)
        ]
        if regions:
            self.refresh(*regions)
            forget_dirty_regions(self)

    def resize_to_content(self) -> None:
        """Draw again where the number of lines may have changed."""
        if self.is_mounted and self.styles.auto_dimensions:
            # Compared with what was asked for, not with what was given: a pane that is hidden, or as high as it may
            # become, would have the whole screen laid out again at each tick.
            asked, self._n_asked = self._n_asked, self.n_lines(self.size.width)
            if self._n_asked != asked:
                self.refresh(layout=True)
        self.repaint()

    def render_line(self, y: int) -> Strip:
        """Turn one line into a strip for the compositor."""
        if self._lines_size != self.size or not self._lines:
            self._lines = self._draw()
        if y >= len(self._lines):
            return Strip.blank(self.size.width, self.rich_style)
        line = self._lines[y]
        return Strip([Segment(text, self._style(tone, line.ground)) for text, tone in line.spans], self.size.width)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Answer Textual's question about an `auto` height."""
        self._n_asked = self.n_lines(width)
        return self._n_asked

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """Answer Textual's question about an `auto` width."""
        return max((line.width for line in self.paint(container.width, container.height)), default=0)

    def notify_style_update(self) -> None:
        """Forget computed styles when the theme, the focus or the style sheet changed."""
        self._styles_by_span.clear()
        super().notify_style_update()

    def _draw(self) -> list[Line]:
        width, height = self._lines_size = self.size
        glyphs = self.glyphs
        content = [Line(((f" {self._notice}", "muted"),))] if self._notice else self.paint(width, height)[:height]
        if glyphs.name != "unicode":
            content = [
                replace(line, spans=tuple((glyphs.spelled(text), tone) for text, tone in line.spans))
                for line in content
            ]
        lines = [fit_line(line, width, ellipsis=glyphs.ellipsis) for line in content]
        lines.extend([fit_line(Line(), width)] * (height - len(lines)))
        return lines

    def _style(self, tone: str, ground: str) -> Style:
        style = self._styles_by_span.get((tone, ground))
        if style is None:
            style = self.visual_style.rich_style
            if ground:
                style += self._ground_style(ground)
            # Reversed, each tone would become its own background; a cursor should be one quiet bar.
            if tone and not style.reverse:
                style += Style(
                    color=self._colour(_COLOUR_OF_TONE.get(tone, f"tone-{tone}")), bold=tone in _BOLD or None
                )
            self._styles_by_span[tone, ground] = style
        return style

    def _ground_style(self, ground: str) -> Style:
        # Without colour, and where sixteen colours leave no quiet background, the cursor is shown in reverse.
        is_cursor = ground == "cursor"
        reverse = True if is_cursor and (self.app.no_color or self.app.native_ansi_color) else None
        colour = self._colour("tone-strong") if is_cursor else None
        return Style(color=colour, bgcolor=self._colour(f"ground-{ground}"), reverse=reverse)

    def _colour(self, variable: str) -> RichColor:
        """Look a role up in the theme.

        Component classes would say the same in the style sheet, and cost a tenth of a second at start: Textual applies
        every one of them to every widget, each time.
        """
        return Color.parse(self.app.theme_variables[variable]).rich_color
