"""What a dialog asks: one change, from what to what, on which evidence, with which effects, and the way back."""

from collections.abc import Callable
from dataclasses import dataclass

from widgets.line import Line

Commit = Callable[[str], str]
"""Carries the change out with the operator's reason, and returns the sentence that says what was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One change an operator may confirm. It stands for what was looked at: carrying it out checks that again."""

    title: str
    lines: tuple[Line, ...]
    confirm: str = ""  # the word on the button
    typed: str | None = None  # must be typed before anything can be confirmed
    refusal: str | None = None  # why this cannot be done; then there is nothing to confirm
    asks_reason: bool = True
    commit: Commit | None = None
