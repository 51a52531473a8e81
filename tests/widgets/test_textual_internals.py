"""What of Textual and Rich is private and relied upon: a release that changes one of these fails here, with a name."""

import ast
import inspect
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from rich.console import Console
from rich.style import Style
from textual import _compositor
from textual._compositor import Compositor
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.content import Content
from textual.css.stylesheet import Stylesheet
from textual.drivers import linux_driver
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Paste
from textual.geometry import Region
from textual.keys import _character_to_key
from textual.screen import Screen
from textual.widget import Widget

import widgets.textual_internals
from widgets.textual_internals import (
    PASTE_SILENT_SECONDS,
    BugExit,
    StoppableDriver,
    TerminalParser,
    forget_geometry,
)

HOME = Path(widgets.textual_internals.__file__)
ROOT = HOME.parents[1]


def takes(function: Callable[..., object], *parameters: str) -> bool:
    return list(inspect.signature(function).parameters) == list(parameters)


RELIED_UPON: tuple[tuple[str, Callable[[], object], str], ...] = (
    ("rich.Style._attributes", lambda: Style(bold=True)._attributes == 1, "styles are written as differences"),
    ("rich.Style._set_attributes", lambda: Style(bold=False)._set_attributes == 1, "styles are written as differences"),
    ("rich.Console._color_system", lambda: hasattr(Console(), "_color_system"), "colours are written for the terminal"),
    ("keys._character_to_key", lambda: _character_to_key("?") == "question_mark", "a shifted key is its character"),
    (
        "XTermParser._sequence_to_key_events",
        lambda: takes(XTermParser._sequence_to_key_events, "self", "sequence", "alt"),
        "Esc is not lost in one burst with a key",
    ),
    ("linux_driver.XTermParser", lambda: linux_driver.XTermParser is not None, "the driver reads keys by our parser"),
    (
        "LinuxDriver._sigcont_application",
        lambda: takes(LinuxDriver._sigcont_application, "self", "_"),
        "a console that was stopped takes its terminal again",
    ),
    *(
        (f"LinuxDriver.{name}", lambda name=name: name in inspect.getsource(LinuxDriver), "it takes its terminal again")
        for name in ("_key_thread", "_must_signal_resume", "_auto_restart")
    ),
    (
        "LinuxDriver._sigtstp_application",
        lambda: takes(LinuxDriver._sigtstp_application, "self", "_"),
        "a console that acts for another account cannot be stopped by its terminal",
    ),
    ("_app of LinuxDriver", lambda: "self._app" in inspect.getsource(LinuxDriver), "it asks its app whether it stops"),
    ("App._driver", lambda: App()._driver is None, "text is copied over SSH by an escape sequence"),
    ("App._screen_stacks", lambda: App()._screen_stacks is not None, "a dialog is deaf to keys typed ahead"),
    ("App._screen_stack", lambda: isinstance(static(App, "_screen_stack"), property), "a dialog is deaf to such keys"),
    (
        "App._check_bindings",
        lambda: takes(App._check_bindings, "self", "key", "priority"),
        "no key overtakes Enter in a dialog",
    ),
    ("Widget._on_key", lambda: takes(Widget._on_key, "self", "event"), "no key overtakes those typed into a field"),
    ("App._on_message", lambda: takes(App._on_message, "self", "message"), "Enter does not overtake a pasted text"),
    ("App._batch_count", lambda: App()._batch_count == 0, "nothing is drawn while the app holds updates back"),
    ("App._filters", lambda: isinstance(App()._filters, list), "no colour is sent under NO_COLOR"),
    ("App._exit_renderables", lambda: App()._exit_renderables == [], "a bug ends in a sentence"),
    ("App._fatal_error", lambda: takes(App._fatal_error, "self"), "a bug ends in a sentence"),
    ("App._close_messages_no_wait", lambda: takes(App._close_messages_no_wait, "self"), "a bug ends the app"),
    (
        "Screen._get_breakpoint_classes",
        lambda: Screen()._get_breakpoint_classes(90, [(0, "-small"), (80, "-large")]) == {"-large"},
        "a screen is styled once, for its size, before anything is on it",
    ),
    ("Screen._update_timer", lambda: hasattr(Screen, "_update_timer"), "a change is drawn within two milliseconds"),
    ("Screen._on_timer_update", lambda: takes(Screen._on_timer_update, "self"), "a change is drawn at once"),
    ("Screen._compositor", lambda: isinstance(Screen()._compositor, Compositor), "screens draw in fewer bytes"),
    (
        "Screen._compositor_refresh",
        lambda: takes(Screen._compositor_refresh, "self"),
        "a screen is drawn once at start",
    ),
    ("Compositor._dirty_regions", lambda: Compositor()._dirty_regions == set(), "only changes are drawn"),
    (
        "Compositor._get_renders",
        lambda: takes(Compositor._get_renders, "self", "crop"),
        "only changes are drawn",
    ),
    (
        "textual._compositor.ChopsUpdate",
        lambda: takes(_compositor.ChopsUpdate, "chops", "spans", "chop_ends"),
        "a change is written in few bytes",
    ),
    (
        "textual._compositor.LayoutUpdate",
        lambda: takes(_compositor.LayoutUpdate, "strips", "region"),
        "a whole screen is written in few bytes",
    ),
    (
        "Stylesheet._variables",
        lambda: Stylesheet(variables={"a": "b"})._variables == {"a": "b"},
        "a theme is read once",
    ),
    ("Widget._dirty_regions", lambda: Widget()._dirty_regions == set(), "a list that changes holds no more memory"),
    ("Widget._border_title", lambda: titled("border_title") == Content("[/]"), "the same frame sends nothing"),
    (
        "Widget._border_subtitle",
        lambda: titled("border_subtitle") == Content("[/]"),
        "the same frame sends nothing",
    ),
)


def static(owner: type, name: str) -> object:
    return inspect.getattr_static(owner, name, None)


def titled(place: str) -> object:
    widget = Widget()
    setattr(widget, place, Content("[/]"))
    return getattr(widget, f"_{place}")


@pytest.mark.parametrize(("name", "holds", "what_for"), RELIED_UPON, ids=[name for name, _, _ in RELIED_UPON])
def test_the_internals_we_rely_on_exist(name, holds, what_for):
    try:
        answer = holds()
    except (AttributeError, TypeError) as error:
        answer, what_for = False, f"{what_for} ({error})"
    versions = f"Textual {metadata.version('textual')}, Rich {metadata.version('rich')}"
    assert answer, f"{name} has changed in {versions}: by it {what_for}. See widgets/textual_internals.py."


def private_names(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names |= {"textual._" for module in modules(node) if module.startswith(("textual._", "rich._"))}
    return names


def modules(node: ast.ImportFrom | ast.Import) -> list[str]:
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]


def test_no_other_module_touches_them():
    relied_upon = {name.rpartition(".")[2] for name, _, _ in RELIED_UPON if "._" in name and "_compositor." not in name}
    files = [file for folder in ("console", "widgets", "themes") for file in (ROOT / folder).rglob("*.py")]
    touched = {str(file.relative_to(ROOT)): private_names(file) & {"textual._", *relied_upon} for file in files}
    assert [file for file, names in touched.items() if names] == ["widgets/textual_internals.py"]
    # Every one that is touched there has its test above.
    own = {"_app", "_changed", "_has_changed", "_frame_timer", "_write_border", "_is_escape", "_is_pair", "_pasted"}
    private = {name for name in private_names(HOME) if name.startswith("_") and not name.startswith("__")}
    assert private - own <= relied_upon | {"_compositor"}


@pytest.mark.parametrize("character", [*map(chr, range(ord(" "), ord("~") + 1)), "é", "§", "\r", "\x7f"], ids=repr)
def test_esc_and_a_character_in_one_burst_are_esc_and_then_the_character(character):
    def keys(text: str) -> list[tuple[str, str | None]]:
        parser = TerminalParser()
        return [(event.key, event.character) for event in (*parser.feed(text), *parser.feed(""))]

    escape = ("escape", "\x1b")
    assert keys(f"\x1b{character}") == [escape, *keys(character)]
    assert keys(f"\x1b{character}\x1b") == [escape, *keys(character), escape]


@pytest.mark.parametrize(
    ("sequence", "key"),
    [
        ("\x1b[A", "up"),
        ("\x1bOP", "f1"),
        ("\x1b[Z", "shift+tab"),
        ("\x1b[80;2u", "shift+P"),
        ("\x1b[1;5D", "ctrl+left"),
    ],
)
def test_the_keys_of_terminals_stay_what_they_are(sequence, key):
    assert [event.key for event in TerminalParser().feed(sequence)] == [key]


def test_shift_and_tab_on_the_linux_console_is_no_esc(monkeypatch):
    monkeypatch.setenv("TERM", "linux")
    assert [event.key for event in TerminalParser().feed("\x1b\t")] == ["shift+tab"]


PASTED = (
    "Risk note\x1b[31m of the book",
    "\x1b zS\x1b",
    "\x1b[A\x1bOP\x1b[<0;3;4M\x1b[5;6R\x1b[I\x1b[?2026;1$y",
    "\x1b" * 40 + "[201",
    "\x1b[200~\x1b[201\x1b[20",
    "\x1b]52;c;eA==\x07\t\x7f\r\n",
)


@pytest.mark.parametrize("n_at_once", [1, 5, 1000])
@pytest.mark.parametrize("text", PASTED, ids=repr)
def test_what_is_pasted_is_one_text_whatever_it_holds(text, n_at_once):
    parser, given = TerminalParser(), f"a\x1b[200~{text}\x1b[201~b\x1b[200~c\x1b[201~"
    bursts = [given[at : at + n_at_once] for at in range(0, len(given), n_at_once)]
    found = [event for burst in bursts for event in parser.feed(burst)]
    assert [event.text if isinstance(event, Paste) else event.key for event in found] == ["a", text, "b", "c"]


def test_no_esc_in_a_paste_becomes_a_key_by_waiting(monkeypatch):
    now = 0.0
    monkeypatch.setattr("textual._parser.get_time", lambda: now)
    parser = TerminalParser()
    found = [*parser.feed("\x1b[200~Risk \x1b")]
    now += PASTE_SILENT_SECONDS / 2  # a slow line; the Esc key is one after a tenth of a second
    found += [*parser.tick(), *parser.feed("[31mnote\x1b[20"), *parser.tick(), *parser.feed("1~")]
    assert [event.text for event in found] == ["Risk \x1b[31mnote"]


def test_a_paste_that_never_ends_gives_the_keys_back(monkeypatch):
    now = 0.0
    monkeypatch.setattr("textual._parser.get_time", lambda: now)
    parser = TerminalParser()
    assert [*parser.feed("\x1b[200~Risk\x1b[2")] == []
    now += PASTE_SILENT_SECONDS
    (pasted,) = parser.tick()
    assert pasted.text == "Risk\x1b[2"
    assert [event.key for event in (*parser.feed("q\x1b[A"), *parser.feed("\x1b[201~j"))] == ["q", "up", "j"]


def test_a_paste_without_an_end_holds_no_more_than_its_limit(monkeypatch):
    monkeypatch.setattr("widgets.textual_internals.PASTE_CHARACTERS", 10)
    (pasted,) = TerminalParser().feed(f"\x1b[200~{'x' * 1000}\x1b[201~")
    assert pasted.text == "x" * 10


def test_an_input_that_ends_within_a_paste_ends():
    parser = TerminalParser()
    assert [*parser.feed("\x1b[200~Risk"), *parser.feed("")] == []
    assert parser.is_eof


def test_the_driver_of_a_terminal_reads_keys_by_our_parser():
    assert BugExit().driver_class is StoppableDriver
    assert linux_driver.XTermParser is TerminalParser


def test_the_computed_regions_are_forgotten():
    (one, other), caches = (Region(0, 0, 7, 1), Region(3, 0, 9, 1)), (
        Region.contains_region, Region.intersection, Region.overlaps, Region.translate, Region.union,
    )  # fmt: skip
    one.contains_region(other), one.intersection(other), one.overlaps(other), one.translate((1, 1)), one.union(other)
    assert all(computed.cache_info().currsize for computed in caches)
    forget_geometry()
    assert not any(computed.cache_info().currsize for computed in caches)
