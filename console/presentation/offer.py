"""The question of a dialog: one change with its evidence, its effects and how to undo it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from core.errors import RefusedError
from widgets.line import Line

_UNDER_WAY = {
    "Abort": "Aborting",
    "Acknowledge": "Acknowledging",
    "Advance": "Advancing",
    "Approve": "Approving",
    "Archive": "Archiving",
    "Cancel": "Cancelling",
    "Comment": "Commenting",
    "Expire": "Expiring",
    "Hold": "Holding",
    "Pause": "Pausing",
    "Promote": "Promoting",
    "Release": "Releasing",
    "Resolve": "Resolving",
    "Resume": "Resuming",
    "Roll back": "Rolling back",
    "Silence": "Silencing",
    "Snooze": "Snoozing",
    "Start": "Starting",
    "Stop": "Stopping",
    "Undo": "Undoing",
}
"""The words on buttons, which titles begin with, for a change that is being carried out."""

Commit = Callable[[str], str]
"""Carries out the change with the operator's reason, and returns the sentence that reports it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One change that an operator may confirm. Carrying it out checks that the state shown is still current."""

    title: str
    lines: tuple[Line, ...]
    confirm: str = ""  # the word on the button
    doing: str = ""  # while it is carried out, where that is not the title's verb: "Stopping the engine"
    typed: str | None = None  # must be typed before anything can be confirmed
    refusal: str | None = None  # why the change is not possible; then there is nothing to confirm
    asks_reason: bool = True
    reason_words: str = ""  # what the field of the reason asks, where it is not the usual
    needs_reason: bool = False  # nothing is confirmed without a reason
    commit: Commit | None = None
    another: "Callable[[], Offer] | None" = (
        None  # looks up the same question about the next choice; the right arrow key
    )
    other: "Callable[[], Offer] | None" = None  # looks up another question about the same objects; the left arrow key
    settle: Callable[[], object] | None = None
    """Called in the console once it was carried out, also if only in part."""

    @property
    def under_way(self) -> str:
        """Say what is being done from the confirmation until it is done."""
        if self.doing:
            return f"{self.doing}…"
        if self.confirm in _UNDER_WAY and self.title.startswith(self.confirm):
            return f"{_UNDER_WAY[self.confirm]}{self.title.removeprefix(self.confirm)}…"
        return f"Under way: {self.title}…"


class AskAgainError(RefusedError):
    """Nothing was changed: the facts are other than the question said, and it must be asked again.

    Attributes:
        look: Looks up the new question.
    """

    def __init__(self, message: str, look: Callable[[], Offer]) -> None:
        """Take the sentence for callers without a dialog, and the new question."""
        super().__init__(message)
        self.look = look


def told_first(offer: Offer, news: Sequence[str]) -> Offer:
    """Return a question that is asked again, with what has changed since as its first lines; unchanged without news."""
    if not news:
        return offer
    lines = (
        Line((("Since the question was asked, this changed:", "warn"),)),
        *(Line(((each, ""),)) for each in news),
        *([] if offer.lines and not offer.lines[0].text else [Line()]),
    )
    return replace(offer, lines=(*lines, *offer.lines))
