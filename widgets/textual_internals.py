"""Every private part of Textual and of Rich that we touch, written against Textual 8.2.

`tests/widgets/test_textual_internals.py` has one test per attribute, which says what breaks when a release changes it;
no other module may name them.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from rich.color import ColorSystem
from rich.console import Console, RenderableType
from rich.style import Style
from textual._compositor import ChopsUpdate, Compositor, LayoutUpdate
from textual._parser import ParseEOF, ParseTimeout, Peek1, Read1, TokenCallback
from textual._xterm_parser import BRACKETED_PASTE_END, BRACKETED_PASTE_START, XTermParser
from textual.app import App
from textual.content import Content
from textual.css.stylesheet import Stylesheet
from textual.driver import Driver
from textual.drivers import linux_driver
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Key, Paste, Resize
from textual.filter import DimFilter, Monochrome, NoColor
from textual.geometry import Region, Size
from textual.keys import _character_to_key, key_to_character
from textual.message import Message
from textual.screen import Screen
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from widgets.line import clean

__all__ = ["ChopsUpdate", "LayoutUpdate"]

FRAME_SECONDS = 1 / 500


# State that Textual and Rich do not publish


def attribute_bits(style: Style) -> int:
    """Return the attributes (bold, italic, …) that a style switches on, one bit each, as Rich numbers them."""
    return style._attributes & style._set_attributes


def colour_system(console: Console) -> ColorSystem:
    """Return the number of colours of the terminal."""
    return console._color_system or ColorSystem.TRUECOLOR


def size_classes(screen: Screen[Any]) -> Iterable[str]:
    """Return the classes that Textual gives a screen of the app's size, before it gives them."""
    width, height = screen.app.size
    across = screen._get_breakpoint_classes(width, screen.HORIZONTAL_BREAKPOINTS or [])
    return (*across, *screen._get_breakpoint_classes(height, screen.VERTICAL_BREAKPOINTS or []))


def screen_on_top(app: App[Any]) -> Screen[Any] | None:
    """Return the screen that gets the keys; none while the app starts or ends, where Textual's own question raises."""
    stack = app._screen_stack if app._screen_stacks else ()
    return stack[-1] if stack else None


def write_raw(app: App[Any], sequence: str) -> None:
    """Send an escape sequence to the terminal, in order with the drawing."""
    if app._driver is not None:
        app._driver.write(sequence)


def send_no_colours(app: App[Any]) -> None:
    """Leave every colour out; Textual replaces colours by greys, which are colours too, where NO_COLOR is set."""
    app._filters = [each for each in app._filters if not isinstance(each, Monochrome | DimFilter)] + [NoColor()]


def forget_dirty_regions(widget: Widget) -> None:
    """Forget which regions have changed in a widget that draws by the line: what is sent is noted elsewhere.

    Textual notes them for widgets that render all of their content at once, and empties the set when they do. Here
    nobody asks for it, and a list whose cells change had ever more.
    """
    widget._dirty_regions.clear()


def forget_geometry() -> None:
    """Forget which regions Textual has cut, moved and joined: up to 4,096 of each kind, which take hours to fill."""
    for computed in (Region.contains_region, Region.intersection, Region.overlaps, Region.translate, Region.union):
        computed.cache_clear()


# Behaviour of Textual that we change


_SIGNS = {_character_to_key(sign): sign for sign in map(chr, range(ord(" "), ord("~") + 1))}


def character_of(key: str) -> str | None:
    """Return the character of a key by its name; Textual itself does not find `slash`, `plus` and `minus`."""
    return _SIGNS.get(key) or key_to_character(key)


def key_named(character: str) -> str:
    """Return Textual's name of the key of a character."""
    return _character_to_key(character)


def typed_key(event: Key) -> Key:
    """Return the key of a character for a key that a terminal reports as that character "with Shift".

    With extended keys (tmux's `extended-keys on`, modifyOtherKeys 2) Shift and P may arrive as `ESC[80;2u`. Textual
    makes `shift+P` of it, without a character: no binding has that name, and no field takes it.
    """
    if event.character is not None or not event.key.startswith("shift+"):
        return event
    character = character_of(event.key.removeprefix("shift+"))
    if character is None or not character.isprintable():
        return event
    character = character.upper()
    return Key(_character_to_key(character), character)


class TerminalParser(XTermParser):
    """Reads a paste whole, and Esc and a character that arrive together as two keys.

    Textual takes an Esc inside a paste for the Esc key, and what follows it for keys: a pasted log with colours closed
    a dialog and went on typing behind it. Here nothing in a paste is a key.

    It reads Esc and a character that arrive together as Esc, and then the character.

    A slow line delivers both at once, and so does `tmux send-keys Escape j`. Textual takes them for Alt and that key,
    for another character (Esc 2 is `™`) or for a move by words (Esc b), and leaves the Esc out. No key of ours has Alt:
    multiplexers use those. Esc [ and Esc O begin the keys of terminals: they are Esc and a character once nothing
    follows.
    """

    _is_escape = False

    def parse(self, token_callback: TokenCallback[Message]) -> Generator[Read1 | Peek1, str, None]:
        """Parse. Textual reports the Esc before `[` and another Esc as `^`; it is told of an empty paste."""

        def report(token: Message) -> None:
            if isinstance(token, Paste):
                return
            is_hidden = self._is_escape and isinstance(token, Key) and token.character == "^"
            token_callback(Key("escape", _ESC) if is_hidden else token)

        keys, newest = super().parse(report), ""
        try:
            awaited = next(keys)
            while True:
                try:
                    character = yield awaited
                except (ParseTimeout, ParseEOF) as error:
                    newest, awaited = "", keys.throw(error)
                    continue
                newest = (newest + character)[-len(BRACKETED_PASTE_START) :]
                awaited = keys.send(character)
                if newest == BRACKETED_PASTE_START:
                    for each in BRACKETED_PASTE_END:
                        awaited = keys.send(each)
                    if text := (yield from _pasted()):
                        token_callback(Paste(text))
        except (StopIteration, ParseEOF):  # the end of the input, between keys or within a paste
            return

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[Key]:
        self._is_escape = sequence == _ESC
        if alt or self._is_pair(sequence):
            yield Key("escape", _ESC)
            sequence = sequence[-1]
        yield from super()._sequence_to_key_events(sequence)

    @staticmethod
    def _is_pair(sequence: str) -> bool:
        """Whether it is Esc and one character. The Linux console sends Esc and Tab for Shift+Tab."""
        if len(sequence) != 2 or sequence[0] != _ESC or sequence[1] in _BEGIN_OF_KEYS:
            return False
        return sequence[1] != "\t" or not os.environ.get("TERM", "").startswith("linux")


PASTE_CHARACTERS = 4_000_000
"""How much of a paste is kept; the rest is left out, and is no key either."""
PASTE_SILENT_SECONDS = 5.0
"""How long a paste may be silent until it counts as ended: else the keys of a lost end would be pasted for ever."""


def _pasted() -> Generator[Read1 | Peek1, str, str]:
    """Read a paste to its end, or until it is silent for long, and return its text.

    Textual's own parser removes NUL, too.
    """
    text: list[str] = []
    newest = ""
    while newest != BRACKETED_PASTE_END:
        if len(newest) == len(BRACKETED_PASTE_END):
            if len(text) < PASTE_CHARACTERS:
                text.append(newest[0])
            newest = newest[1:]
        try:
            newest += yield Read1(PASTE_SILENT_SECONDS)
        except ParseTimeout:
            text.append(newest)
            break
    return "".join(text).replace("\x00", "")


_ESC = "\x1b"
_BEGIN_OF_KEYS = f"[O{_ESC}"


class StoppableDriver(LinuxDriver):
    """A driver that reads keys by our parser, and that takes the terminal again however its process was stopped.

    Textual prepares for SIGTSTP. After SIGSTOP, which no process sees, it would start a second thread for keys.
    """

    def _sigtstp_application(self, *_: object) -> None:
        if getattr(self._app, "stops_on_request", True):
            super()._sigtstp_application()

    def _sigcont_application(self, *_: object) -> None:
        is_ours = self.input_tty and os.tcgetpgrp(self.fileno) == os.getpgrp()
        if is_ours and self._auto_restart and self._key_thread is not None and not self._must_signal_resume:
            self.suspend_application_mode()
            self._must_signal_resume = True
        super()._sigcont_application()


linux_driver.XTermParser = TerminalParser  # type: ignore[attr-defined]  # the driver takes it from its module


MOST_COLUMNS, MOST_ROWS = 1_000, 500
"""The largest terminal that is drawn: each cell takes memory, and a program can claim any size."""


def within_reason(event: Resize) -> Resize:
    """Return a change of size that can be drawn."""
    size = Size(min(event.size.width, MOST_COLUMNS), min(event.size.height, MOST_ROWS))
    return event if size == event.size else Resize(size, size)


async def handle_now(app: App[Any], event: Key | Paste) -> None:
    """Handle a key, or a pasted text, completely before any key behind it.

    Textual sends a key through the queue of the widget in focus, and from there back into the queue of the app, unless
    the key's binding has priority: in one burst, as a slow line delivers it, such a key overtakes those before it.
    """
    focused = app.screen.focused
    if isinstance(event, Paste):
        if focused is not None:
            await focused._on_message(event)
    elif not await app._check_bindings(event.key, priority=True):
        if focused is not None and focused.check_consume_key(event.key, event.character):
            await focused._on_key(event)
        else:
            await app._check_bindings(event.key)


def write_frame(pane: Widget, *, title: str, subtitle: str) -> None:
    """Put plain texts into the frame of a pane; nothing is sent when they are there already."""
    _write_border(pane, "border_title", title)
    _write_border(pane, "border_subtitle", subtitle)


def _write_border(pane: Widget, place: Literal["border_title", "border_subtitle"], text: str) -> None:
    content = Content(clean(text)) if text else None
    before: Content | None = getattr(pane, f"_{place}")  # the public attribute answers with markup, not with this
    if before == content:
        return
    # Set by its public name, a title has its whole pane sent again: a network rate in a frame cost 800 bytes a second.
    setattr(pane, f"_{place}", content)
    width, height = pane.outer_size
    if not pane.is_mounted or not width:
        pane.refresh()
        return
    # Beside the title are the corner, a line and a space; the subtitle is aligned to the right.
    n_cells = min(width, max(each.cell_length if each else 0 for each in (before, content)) + 5)
    is_title = place == "border_title"
    region = Region(0, 0, n_cells, 1) if is_title else Region(width - n_cells, height - 1, n_cells, 1)
    pane.refresh(region.translate(-pane.content_offset))


class BugExit(App[None]):
    """An app that ends on a bug with a sentence of its own: `class MyApp(BugExit)`."""

    def __init__(self) -> None:
        """Read the environment as Textual does, but take an empty NO_COLOR as unset.

        Source:
            https://no-color.org: "when present and not an empty string".
        """
        if os.environ.get("NO_COLOR") == "":
            del os.environ["NO_COLOR"]
        super().__init__()

    def get_driver_class(self) -> type[Driver]:
        """Return our driver in the place of Textual's own for this platform."""
        driver = super().get_driver_class()
        return StoppableDriver if driver is LinuxDriver else driver

    def last_words(self) -> RenderableType:
        """Keep the traceback, and return what is printed once the terminal is restored."""
        raise NotImplementedError

    def _fatal_error(self) -> None:
        """Textual prints the traceback with all variables; the exit code is 1 either way."""
        self._exit_renderables.append(self.last_words())
        self._close_messages_no_wait()


class SteadyStylesheet(Stylesheet):
    """A style sheet that is parsed once for each theme; sources added since are still parsed when needed.

    Textual parses every rule again whenever the theme is set and whenever a screen is shown for the first time, which
    took a third of the time to the first frame. Unless a variable has changed, the rules are those parsed before.
    """

    def __init__(self, *, variables: dict[str, str] | None = None) -> None:
        super().__init__(variables=variables)
        self._has_changed = False

    def set_variables(self, variables: dict[str, str]) -> None:
        """Take the variables of a theme; the same ones again change nothing."""
        if variables != self._variables:
            self._has_changed = True
            super().set_variables(variables)

    def reparse(self) -> None:
        """Parse again if a variable has changed."""
        if self._has_changed:
            super().reparse()
            self._has_changed = False


if TYPE_CHECKING:
    _AnyScreen = Screen[Any]
else:  # so that these can stand before Screen and before ModalScreen alike
    _AnyScreen = object


class PromptFrames(_AnyScreen):
    """A screen that draws as soon as there is something to draw: `class MyScreen(PromptFrames, Screen[None])`.

    Textual draws at most sixty times a second: what follows from a key press (the details of the row the cursor has
    moved to) comes a sixtieth of a second after the cursor. Here it follows within two milliseconds. Between changes
    nothing is drawn either way, so a screen at rest costs as little as before.
    """

    _frame_timer: Timer | None = None

    @property
    def _update_timer(self) -> Timer:
        """Textual's timer for frames, with a shorter period."""
        if self._frame_timer is None:
            self._frame_timer = self.set_interval(
                FRAME_SECONDS, self._on_timer_update, name="screen_update", pause=True
            )
        return self._frame_timer


class ChangesCompositor(Compositor):
    """A compositor that does not render unchanged widgets."""

    _changed: tuple[Region, ...] | None = None

    def render_partial_update(self) -> ChopsUpdate | None:
        """Render a partial update."""
        self._changed = tuple(self._dirty_regions)
        try:
            return super().render_partial_update()
        finally:
            self._changed = None

    def _get_renders(self, crop: Region | None = None) -> Iterable[tuple[Region, Region, list[Strip]]]:
        """Render the widgets that are seen in what changed, from front to back, until all of it is covered.

        Textual renders every widget between the outermost changes, whatever hides it: with a clock on top and a gauge
        at the bottom that is all of them, once a second and at each key.
        """
        if self._changed is None:
            yield from super()._get_renders(crop)
            return
        left: Sequence[Region] = self._changed
        for widget, (region, clip) in self.visible_widgets.items():
            seen = region.intersection(clip)
            if any(map(seen.overlaps, left)):
                yield region, clip, widget.render_lines(seen.translate(-region.offset))
                left = [each for each in left if not seen.contains_region(each)]
                if not left:
                    return


class OwnCompositor(_AnyScreen):
    """A screen with a compositor of our own: `class MyScreen(OwnCompositor, Screen[None])`."""

    COMPOSITOR: type[Compositor] = Compositor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._compositor = self.COMPOSITOR()

    def _compositor_refresh(self) -> None:
        """Draw, unless the app holds its updates back: Textual draws even then, only to throw the drawing away.

        What is to be drawn stays marked, and the refresh that ends the app's start draws it.
        """
        if not self.app._batch_count:
            super()._compositor_refresh()
