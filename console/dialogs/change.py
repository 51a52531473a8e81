"""The dialog before every change: the change itself, its evidence, its effects, and how to undo it.

Enter never confirms. `Y` or a click does; before a version enters Production its number must be typed.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from textual import events, on
from textual.actions import SkipAction
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Button, Input

from console.dialogs.dialog import DEAF_SECONDS, Dialog
from console.presentation.offer import Offer
from console.presentation.phrases import counted
from console.runtime.background import in_background
from core.errors import CoreError
from core.text_limits import MAX_REASON
from widgets.field import TextField
from widgets.line import Line, Span
from widgets.lines_pane import Caption, LinesPane, wrap

HELD_SECONDS = 1.0
"""How long a question is deaf that follows the `Y` of another: a held key repeats after 0.25 to 0.7 seconds."""

FREE_REASON = "reason (for the audit log)"
REQUIRED_REASON = "why nevertheless (required, for the audit log)"
log = logging.getLogger("bondx.console")

_JUDGED = "#dialog-body, #typed, #reason, #confirm, #dialog-hint"
_VERSION_KEYS = (*((digit, digit) for digit in "0123456789"), ("full_stop", "."))


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The change that the operator confirmed, and the reason."""

    offer: Offer
    reason: str


class CancelButton(Button):
    """A button that closes the dialog at once: a message of Textual's would be overtaken by the keys behind Enter."""

    def press(self) -> Self:
        """Close the dialog."""
        if isinstance(self.screen, Dialog) and self.screen.is_current:
            self.screen.action_cancel()
        return self


class ConfirmButton(Button):
    """A button that Enter does not press: it only says how to confirm."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,space", "screen.explain", "", show=False)]


class VersionInput(TextField):
    """The field for a version. No version contains a Y, so Y confirms here as well."""

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Accept every character except the confirming Y."""
        return character != "Y" and super().check_consume_key(key, character)


class ChangeDialog(Dialog[Confirmed]):
    """Looks up a change in a thread, shows it, and returns it once confirmed."""

    AUTO_FOCUS = "#cancel"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("Y", "confirm", "Confirm", show=False, priority=True),
        Binding("n", "cancel", show=False),
        Binding("right", "another", show=False),
        Binding("left", "other", show=False),
        Binding("down,j", "body('scroll_lines', 1)", show=False),
        Binding("up,k", "body('scroll_lines', -1)", show=False),
        # Handled where keys arrive, in their order: through the focus, which moves a moment after the request,
        # some of a fast typist's would overtake others, or be lost.
        *(Binding(key, f"type('{sign}')", show=False, priority=True) for key, sign in _VERSION_KEYS),
        Binding("pagedown", "body('scroll_pages', 1)", show=False),
        Binding("pageup", "body('scroll_pages', -1)", show=False),
    ]

    def __init__(
        self, look: Callable[[], Offer], *, again: bool = False, other_keys: Collection[str] = frozenset()
    ) -> None:
        """Take the function that looks up the change; it runs in a thread.

        Args:
            look: Looks up the change.
            again: An older question was just answered by a `Y`: while that is held down, it does not answer this one.
            other_keys: The capitals of other changes. After one of them a `Y` may be meant for that change.
        """
        super().__init__()
        self._look = look
        self._is_asked_again = again
        self._other_keys = other_keys
        self._other_key = ""
        if again:
            self.deaf_seconds = HELD_SECONDS
        self._offer: Offer | None = None
        self._listens = False
        self._scrolled_at = -DEAF_SECONDS
        self._n_unseen_told = 0
        self._wants_to_confirm = False
        self._lines: list[Line] = []

    def compose_body(self) -> ComposeResult:
        """Yield the text, the two fields and the buttons."""
        yield Caption([Line((("Reading the current state…", "muted"),))], id="dialog-body")
        yield VersionInput(id="typed", entered=self._leave_field)
        yield TextField(id="reason", placeholder=FREE_REASON, max_length=MAX_REASON, entered=self._leave_field)
        with Horizontal(id="dialog-buttons"):
            yield CancelButton("Cancel", id="cancel", compact=True)
            yield ConfirmButton("Confirm", id="confirm", variant="error", compact=True, disabled=True)
        yield Caption(id="dialog-hint")

    def on_mount(self) -> None:
        """Look the change up."""
        for field in self.query(Input):
            field.display = False
        in_background(self, self._look_up)

    def on_resize(self) -> None:
        """Judge again: other line breaks may leave lines that have not been on the screen.

        A `Y` pressed for the screen as it was before is too early for the new one.
        """
        self._scrolled_at = self.context.monotonic()
        if self._offer is not None:
            for body in self.query("#dialog-body").results(Caption):  # a closing dialog has lost it
                body.show(self._lines)  # in another size its blank lines may fit again
            self.fit_body()
        self.call_after_refresh(self._judge)

    def fit_body(self) -> None:
        """Leave out the blank lines if the whole text then fits: what is in view need not be scrolled to."""
        super().fit_body()
        for body in self.query("#dialog-body").results(Caption):  # a closing dialog has lost it
            width, room = body.size.width, self.body_room
            if self._offer is None or not width or body.n_lines(width) <= room:
                continue
            told = [line for line in body.lines if line.text.strip()]
            if sum(len(wrap(line, width)) for line in told) <= room:
                body.show(told)

    @on(LinesPane.Seen)
    def _more_was_seen(self) -> None:
        self._judge(wants_to_confirm=self._wants_to_confirm)

    def is_deaf_to(self, event: events.Event) -> bool:
        """Return whether this input must be ignored; a `Y` that is still held down keeps the dialog deaf."""
        if isinstance(event, events.Key) and event.character in self._other_keys and not self._writes_reason:
            self._confuse_with(event.character or "")
            return True
        is_deaf = super().is_deaf_to(event)
        is_y = isinstance(event, events.Key) and event.character == "Y"
        if is_deaf and is_y and self._is_asked_again and self._readable_at is not None:
            self.become_readable()
        return is_deaf

    def _confuse_with(self, key: str) -> None:
        """Confirm nothing after the key of another change: whoever pressed it may believe to answer that one."""
        if self._other_key:
            return
        self._other_key = key
        if self._offer is not None:
            self._show(self._offer)
            self.set_focus(self.query_one("#cancel"))

    async def _look_up(self) -> None:
        try:
            offer = await asyncio.to_thread(self._look)
        except CoreError as error:
            offer = Offer(title="Not possible", lines=(), refusal=str(error))
        except Exception:
            log.exception("A change could not be looked up.")
            offer = Offer(title="Not possible", lines=(), refusal="This is a bug in bondx; see logs/console.log.")
        if self.is_open:
            self._show(offer)
            self.call_after_refresh(self.become_readable)

    def _show(self, offer: Offer) -> None:
        if self._other_key and offer.refusal is None:
            refusal = (
                f"{self._other_key} is the key of another change, but this asks: {offer.title}. "
                "Close this, then press the key that you mean."
            )
            offer = replace(offer, refusal=refusal)
        self._offer = offer
        self.entitle(offer.title)
        lines = list(offer.lines)
        if offer.refusal:
            lines = [Line(((offer.refusal, "bad"),)), *([Line()] if lines else []), *lines]
        self._lines = lines
        self.query_one("#dialog-body", Caption).show(lines)
        confirm = self.query_one("#confirm", ConfirmButton)
        confirm.display = offer.refusal is None
        self.query_one("#cancel", Button).label = "Close" if offer.refusal else "Cancel"
        typed = self.query_one("#typed", Input)
        typed.display = bool(offer.typed) and not offer.refusal
        typed.placeholder = f"type {offer.typed}"
        reason = self.query_one("#reason", Input)
        reason.display = offer.asks_reason and not offer.refusal
        reason.placeholder = offer.reason_words or (REQUIRED_REASON if offer.needs_reason else FREE_REASON)
        self._judge()
        self.fit_body()

    def action_another(self) -> None:
        """Ask the same about the next choice, such as another domain."""
        if self._offer is not None:
            self._ask(self._offer.another)

    def action_other(self) -> None:
        """Ask another question about the same objects."""
        if self._offer is not None:
            self._ask(self._offer.other)

    def _ask(self, look: Callable[[], Offer] | None) -> None:
        if look is None:
            return
        self._look, self._offer = look, None
        self._scrolled_at = self.context.monotonic()
        in_background(self, self._look_up)

    def begin_to_listen(self) -> None:
        """Name the confirming key only once it confirms."""
        self._listens = True
        self._judge()

    @property
    def _is_typed(self) -> bool:
        offer = self._offer
        return offer is not None and (not offer.typed or self.query_one("#typed", Input).value.strip() == offer.typed)

    @property
    def _writes_reason(self) -> bool:
        return self.focused is not None and self.focused.id == "reason"

    @property
    def _lacks_reason(self) -> bool:
        needs_reason = self._offer is not None and self._offer.needs_reason
        return needs_reason and not self.query_one("#reason", Input).value.strip()

    @property
    def _may_confirm(self) -> bool:
        return self._offer is not None and not self._offer.refusal and self._is_typed and not self._lacks_reason

    @property
    def _n_unseen(self) -> int:
        return self.query_one("#dialog-body", Caption).n_unseen

    def _judge(self, *, wants_to_confirm: bool = False) -> None:
        """Bring the button and the hint in line with what has been typed."""
        offer = self._offer
        if offer is None or len(self.query(_JUDGED)) < _JUDGED.count("#"):
            return  # a closing dialog loses its parts one by one, while judgements after a refresh are still due
        self._wants_to_confirm = wants_to_confirm
        n_unseen = self._n_unseen_told = 0 if offer.refusal else self._n_unseen
        confirm = self.query_one("#confirm", ConfirmButton)
        confirm.disabled = not (n_unseen or self._may_confirm)
        if str(confirm.label) != (label := "Show more" if n_unseen else offer.confirm or "Confirm"):
            confirm.label = label
            confirm.refresh(layout=True)  # a longer word needs a wider button, which a new label alone does not get
        self.query_one("#dialog-body", Caption).scroll_keys = "PgDn" if self._writes_reason else "Y, PgDn"
        if offer.refusal:
            hint = Line((("Esc or Enter closes; nothing was changed.", "muted"),))
        elif not self._listens:
            hint = self._that_fits(
                Line((("One moment: keys typed ahead are ignored.", "muted"),)), Line((("One moment…", "muted"),))
            )
        else:
            hint = self._next_keys(offer, wants_to_confirm=wants_to_confirm)
        shown = self.query_one("#dialog-hint", Caption)
        if shown.lines != (hint,):
            shown.show([hint])
            self.fit_body()
            # By then other lines may have been on the screen.
            self.call_after_refresh(self._judge, wants_to_confirm=wants_to_confirm)

    def _next_keys(self, offer: Offer, *, wants_to_confirm: bool) -> Line:
        """Name the keys from now to the confirmation, in their order: all lines, the version, `Y`."""
        typed, wanted = self.query_one("#typed", Input).value.strip(), offer.typed or ""
        is_wrong = typed and not self._is_typed and (wants_to_confirm or not wanted.startswith(typed))
        wrong: list[Span] = [(f"You typed {typed}, not {wanted}. ", "bad")] if is_wrong else []
        # In the reason a Y and a digit are letters like any other.
        leaving: list[Span] = [("Enter", "key"), (" ends the reason, then ", "")] if self._writes_reason else []
        why: list[Span] = []
        if self._lacks_reason:
            leaving = [("Type the required reason. ", ""), *leaving] if leaving else []
            why = [] if leaving else [("Tab", "key"), (" to the required reason, then ", "")]
        n_unseen, y = self._n_unseen, ("Y", "key")
        typing: list[Span] = [("type " if leaving or n_unseen else "Type ", ""), (wanted, "strong"), (", then ", "")]
        pending = [*([] if self._is_typed else typing), *why]
        confirming: list[Span] = [*pending, y, (" confirms. ", "")] if pending else [("confirms. ", "")]
        if n_unseen:
            more = f" shows {counted(n_unseen, 'more line')}"
            keys, brief = [y, (f"{more}, then ", ""), *confirming], [y, (f"{more}.", "")]
        elif pending:
            keys, brief = confirming, [*pending, y, (".", "")]
        else:
            brief = keys = [y, (f" confirms: {offer.confirm.lower()}. ", "")]
        leaving_briefly: list[Span] = [("Enter", "key"), (", then ", "")] if leaving else []
        return self._that_fits(
            Line((*wrong, *leaving, *keys, ("Esc cancels.", "muted"))),
            Line(tuple(wrong or [*leaving_briefly, *brief])),
        )

    def _that_fits(self, line: Line, brief: Line) -> Line:
        """Choose the line that is drawn whole: a second line would be taken from the text that is to be read."""
        return line if line.width <= (self.query_one("#dialog-hint").size.width or line.width) else brief

    def action_confirm(self) -> None:
        """Show the lines that have not been on the screen; then return the offer if all that is required was typed."""
        if self._offer is not None and not self._offer.refusal and self._n_unseen != self._n_unseen_told:
            self._judge()  # the key was pressed for a hint that is not true any more
        elif self._offer is not None and not self._offer.refusal and self._n_unseen:
            self._show_more()
        elif self._offer is None or not self._may_confirm:
            self.action_explain()
        elif self.context.monotonic() - self._scrolled_at >= DEAF_SECONDS:  # else a Y that is held down
            self.dismiss(Confirmed(self._offer, self.query_one("#reason", Input).value.strip()))

    def _show_more(self) -> None:
        """Scroll to what has not been seen: nothing is confirmed that was never on the screen."""
        self._scrolled_at = self.context.monotonic()
        self.action_body("scroll_pages", 1)

    def action_explain(self) -> None:
        """Say again how to confirm: Enter does not confirm."""
        self._judge(wants_to_confirm=True)
        self.app.bell()

    def action_body(self, what: str, n: int) -> None:
        """Scroll the text, wherever the focus is."""
        getattr(self.query_one("#dialog-body", Caption), f"action_{what}")(n)
        self.call_after_refresh(self._judge)

    def action_type(self, character: str) -> None:
        """Type into the version's field without focusing it first.

        Raises:
            SkipAction: The key belongs to the reason, or to no field.
        """
        typed = self.query_one("#typed", Input)
        if self._writes_reason or not typed.display:
            raise SkipAction
        typed.insert_text_at_cursor(character)
        self.set_focus(typed)

    @on(Input.Changed, "#typed")
    @on(Input.Changed, "#reason")
    @on(events.DescendantFocus)
    def _hint_changed(self) -> None:
        self._judge()

    def _leave_field(self, _text: str) -> None:
        """Move on to the next field on Enter; confirm nothing."""
        self.screen.focus_next()
        self._judge()

    @on(Button.Pressed, "#confirm")
    def _clicked(self) -> None:
        self.action_confirm()
