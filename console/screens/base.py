"""The keys of every screen: verbs about its objects, and keys that only look: filter, details, zoom, help, copy."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import events
from textual.widget import Widget

from console.presentation.keys import sign_of, with_keys
from console.runtime.jumps import ScreenPlace
from console.screens.frame import FramedScreen
from console.screens.prompt import Asking, Prompt
from console.verbs.access import forbidden
from console.verbs.catalog import EVERYWHERE, by_need, own_verbs, verb_named
from console.verbs.keys import bindings, help_lines
from console.verbs.verb import Noun, Thing, Things, Verb
from core.errors import CoreError
from widgets.key_footer import KeyHint
from widgets.line import Line
from widgets.lines_pane import LinesPane
from widgets.live_table import LiveTable

if TYPE_CHECKING:
    from core.saved_views import ViewPane


class ConsoleScreen(FramedScreen):
    """A screen of the console. It asks the app to offer changes, and changes nothing itself."""

    NOUNS: ClassVar[tuple[Noun[Any], ...]] = ()
    """The nouns it shows, the most important first: the verbs about them have their keys here."""
    SAVED_AS: ClassVar[Mapping[str, str]] = {}
    """The kind of pane that each of its lists is in a saved view, by selector; lists that are not here are left out."""
    VERBS: ClassVar[tuple[Verb[Any], ...]] = ()
    """The verbs of this screen's nouns, in the order of its footer."""
    BINDINGS = bindings(EVERYWHERE)

    def __init_subclass__(cls, **options: Any) -> None:
        """Give a screen the keys of its nouns."""
        cls.VERBS = own_verbs(cls.NAME, cls.NOUNS)
        cls.BINDINGS = bindings(cls.VERBS)
        super().__init_subclass__(**options)

    def on_mount(self) -> None:
        """Show the columns that the user has chosen before."""
        for table in self.query(LiveTable):
            if columns := self.console_app.preferences.columns(self.name_of(table)):
                table.choose_columns(columns)

    def name_of(self, table: LiveTable) -> str:
        """Name a list, to remember choices for it."""
        return f"{self.NAME}.{table.id}"

    def under_cursor(self) -> Things:
        """Return the objects that keys act on now, by noun; a key without its object is dim."""
        return {}

    def why(self) -> tuple[str, Sequence[Line] | Callable[[], Sequence[Line]]] | None:
        """Return the gates and the evidence behind what is selected, or the function that reads them, with a title."""
        return None

    def key_hints(self) -> list[KeyHint]:
        """Return the keys of this screen, the most needed first."""
        things, keymap = self.under_cursor(), self.console_app.keymap
        way_out = [KeyHint("Esc", "unzoom", pinned=True)] if self.is_zoomed else []
        return way_out + [
            KeyHint(key.display, label, enabled=self._is_of_use(verb, things), pinned=key.pinned)
            for verb in by_need((*self.VERBS, *EVERYWHERE))
            if (key := keymap.key_of(verb)) is not None and key.label and (label := self._label(verb, things))
        ]

    def _label(self, verb: Verb[Any], things: Things) -> str:
        return verb.label(self._meant(verb.noun, things) if verb.noun else None)

    def on_key(self, event: events.Key) -> None:
        """Answer a capital without a meaning here: its sender wanted to change something.

        A Y was meant for a dialog, which has just closed or was refused: the footer already tells how that ended.
        """
        is_capital = event.character is not None and event.character.isupper()
        if is_capital and event.character != "Y" and event.key not in self.active_bindings:
            self.say(
                f"{event.character} does nothing on this screen; {sign_of('console.help')} lists its keys.", "muted"
            )

    def selected(self, noun: Noun[Thing]) -> Thing | None:
        """Return the object of this kind that keys act on now."""
        return self._meant(noun, self.under_cursor())

    def _meant(self, noun: Noun[Thing], things: Things) -> Thing | None:
        # A screen that names no object of a kind has no cursor on that kind, and shows the usual one.
        return cast("Thing | None", things[noun]) if noun in things else noun.usual(self.snapshot)

    def _refused(self, verb: Verb[Any], things: Things) -> str | None:
        thing = self._meant(verb.noun, things) if verb.noun else None
        return forbidden(self.console_app, verb, thing) or verb.refused(self.console_app, thing)

    def _is_of_use(self, verb: Verb[Any], things: Things) -> bool:
        """Whether a key does something here: neither refused, nor known to be refused by the plan."""
        if self._refused(verb, things) is not None:
            return False
        thing = self._meant(verb.noun, things) if verb.noun else None
        return thing is None or verb.offered(self.console_app, thing)

    async def action_verb(self, name: str) -> None:
        """Apply a verb to the object under the cursor, or say why not."""
        verb, things = verb_named(name), self.under_cursor()
        if (refused := self._refused(verb, things)) is not None:
            self.console_app.say(refused, "warn")
            return
        try:
            later = verb.do(self.console_app, self._meant(verb.noun, things) if verb.noun else None)
        except CoreError as error:
            self.console_app.say(str(error), "warn")
        else:
            if later is not None:
                await later

    def panes_to_save(self) -> "tuple[ViewPane, ...]":
        """Return the lists of this screen as panes of a view, with the columns, the order and the filter chosen."""
        tables = ((kind, self.query_one(selector, LiveTable)) for selector, kind in self.SAVED_AS.items())
        return tuple(self.pane_of(kind, table) for kind, table in tables)

    @staticmethod
    def pane_of(kind: str, table: LiveTable, *, title: str = "", rows: int = 0) -> "ViewPane":
        """Describe a list as a pane of a view; columns in their usual order are not named."""
        from core.saved_views import PANES, ViewPane

        known = PANES[kind].columns
        chosen = tuple(column.key for _, column in table.chosen_columns if column.key in known)
        usual = tuple(column.key for column in table.columns if column.is_titled and column.key in known)
        order = table.order if table.order is not None and table.order.key in known else None
        return ViewPane(
            pane=kind,
            title=title,
            columns=() if chosen == usual else chosen,
            filter=" ".join(table.filter_words.split()),
            sort="" if order is None else f"{order.key}{' desc' if order.descending else ''}",
            rows=rows,
        )

    def shown_table(self) -> LiveTable:
        """Return the list in focus if it has columns to choose from, else the main list."""
        return self.focused if isinstance(self.focused, LiveTable) and self.focused.sortable else self.main_table()

    async def action_filter(self) -> None:
        """Ask for the words of a filter; the present filter stays until something is typed."""
        await self.query_one(Prompt).ask(Asking.FILTER)

    async def action_command(self) -> None:
        """Ask for a command."""
        await self.query_one(Prompt).ask(Asking.COMMAND)

    def filter_edited(self, text: str) -> None:
        """Filter the list."""
        self.main_table().filter_words = text
        self.show_now()
        self.tick()

    def prompt_entered(self, asking: Asking, text: str) -> None:
        """Keep the filter, or carry out the command, before any key behind Enter is looked at."""
        self.set_focus(self.main_table())
        if asking is Asking.FILTER:
            self.filter_edited(text)
        elif text.strip():
            self.console_app.commands.run(text)

    def prompt_left(self, asking: Asking) -> None:
        """Return to the list, unfiltered."""
        self.set_focus(self.main_table())
        if asking is Asking.FILTER:
            self._clear_filter()

    def _clear_filter(self) -> bool:
        table = self.main_table()
        if not table.filter_words:
            return False
        table.filter_words = ""
        self.show_now()
        self.tick()
        return True

    async def action_details(self) -> None:
        """Show or hide the details."""
        pane = self._details()
        if pane is None:
            self.say("This row has no details.", "muted")
        elif pane.display and pane.size.width:
            self._close_details()
        else:
            self._open_details()

    def _details(self) -> Widget | None:
        return self.query(".details").first() if self.query(".details") else None

    def _open_details(self) -> None:
        self.unzoom()
        self.remove_class("-closed")
        self.add_class("-open")

    def _close_details(self) -> None:
        self.remove_class("-open")
        self.add_class("-closed")
        self.main_table().focus()

    @property
    def is_covered(self) -> bool:
        """Whether the details cover the list, for lack of room beside it."""
        return self.has_class("-open") and not (self.has_class("-wide") or self.has_class("-huge"))

    async def action_back(self) -> None:
        """Go back one level: zoom, details over the list, focus in them, marks, filter, view, and the jump before."""
        if self.is_zoomed:
            self.unzoom()
        elif self.is_covered:
            self._close_details()
        elif self.focused is not self.main_table():
            self.main_table().focus()
        elif self.clear_marks():
            self.show_marks("")
        elif not (self._clear_filter() or self.leave_view()):
            await self.console_app.go_back()

    def show_marks(self, words: str) -> None:
        """Draw the marks; a small screen has no frame that counts them, so its footer does."""
        self.refresh_all()
        if self.is_small:
            self.say(words, "muted")

    def clear_marks(self) -> bool:
        """Clear the marks; False on a screen without any."""
        return False

    def leave_view(self) -> bool:
        """Show the list again where another view has replaced it; False on a screen that shows its usual list."""
        return False

    def show_row(self, key: str) -> None:
        """Put the cursor on a row, even if the filter or a zoomed pane hides it."""
        self.unzoom()
        if not self.main_table().move_to(key) and self._clear_filter():
            self.main_table().move_to(key)

    def place(self) -> ScreenPlace:
        """Return where the operator is: the list in focus and the row under its cursor."""
        table = self.focused if isinstance(self.focused, LiveTable) else self.main_table()
        return ScreenPlace(self.NAME, table.id or "", table.cursor_key)

    def return_to(self, place: ScreenPlace) -> None:
        """Put the focus and the cursor where they were when the place was left."""
        shown = (each for each in self.query(LiveTable) if each.id == place.table and each.display)
        table = next(shown, self.main_table())
        if place.row is not None and table is self.main_table():
            self.show_row(place.row)
        elif place.row is not None:
            table.move_to(place.row)
        if not self.is_covered:
            table.focus()

    def action_zoom(self) -> None:
        """Let the pane in focus fill the screen, or put it back."""
        if self.is_zoomed:
            self.unzoom()
        elif self.focused is not None:
            self.zoom(self.focused)

    def action_help(self) -> None:
        """Explain the keys of this screen."""
        from console.dialogs.text import TextDialog

        self.app.push_screen(
            TextDialog(f"Keys of {self.NAME.capitalize()}", help_lines(self.VERBS, self.console_app.keymap.key_of))
        )

    def action_logs(self) -> None:
        """Follow the logs."""
        from console.dialogs.logs import LogDialog

        self.app.push_screen(LogDialog(self.console_app.workspace.logs_dir, until=self.console_app.frozen_at))

    def action_why(self) -> None:
        """Show the gates and the evidence."""
        reason = self.why()
        if reason is None:
            self.say(with_keys("Select a row first; then {console.why} shows its evidence."), "muted")
        else:
            from console.dialogs.text import TextDialog

            self.app.push_screen(TextDialog(*reason))

    def action_copy(self) -> None:
        """Copy the details in focus, or the row under the cursor."""
        self.console_app.copy(self.text_to_copy())

    def text_to_copy(self) -> str:
        """Return the details when they have the focus, else the row under the cursor."""
        if isinstance(self.focused, LinesPane):
            return self.focused.text
        table = self.focused if isinstance(self.focused, LiveTable) else self.main_table()
        row = next((row for row in table.rows if row.key == table.cursor_key), None)
        if row is None:
            return ""
        return "  ".join(text.strip() for text in row.texts if text.strip())
