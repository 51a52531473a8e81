"""The verb that explains a version: what it relies on, or why it answers a row as it does."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from console.verbs.verb import Argument, Command, Verb
from console.verbs.version import VERSION, VersionName
from core.clock import read_duration
from core.errors import UsageError
from core.typed_numbers import whole_number

if TYPE_CHECKING:
    from console.context import ConsoleControls
    from core.state import Workspace
    from widgets.glyphs import Glyphs
    from widgets.line import Line


INTERACTIONS = "interactions"
_TIME = re.compile("[0-9]+[a-z]")


def row_number(word: str) -> int | str | timedelta:
    """Read the position of a row, the word that asks for interactions, or how far back to look.

    Raises:
        UsageError: It is none of these.

    >>> row_number("12"), row_number("7d").days
    (12, 7)
    """
    if word == INTERACTIONS:
        return word
    if _TIME.match(word):
        return read_duration(word)
    if not (word.isascii() and word.isdigit() and len(word) < 10):
        raise UsageError(
            f"{word} is no row: write its position among the rows that the version kept, from 0, {INTERACTIONS}, or "
            "how far back to look at served answers, such as 7d."
        )
    return whole_number(word)


class Explain(Verb[VersionName]):
    """Show what a version relies on, or why it answers a row as it does."""

    name = "explain"
    noun = VERSION
    command = Command(
        "what a version relies on; with a row, why it answers it so; with interactions, which columns act together; "
        "with a time such as 7d, what it relied on while it served",
        options=(Argument("ROW|interactions|TIME", read=row_number),),
    )

    def do(self, app: "ConsoleControls", thing: VersionName, *options: Any) -> None:
        """Open the explanation, which is computed in a thread."""
        from console.dialogs.text import TextDialog

        asked = options[0] if options else None
        if isinstance(asked, timedelta):
            title = f"What {thing.model} {thing.version} relied on while it served"
            app.push_screen(TextDialog(title, lambda: _over(app, thing, asked)))
            return
        row = asked if isinstance(asked, int) else None
        name = f"{thing.model} {thing.version}"
        title = f"What {name} relies on" if row is None else f"Why {name} answers row {row} so"
        with_pairs = asked == INTERACTIONS
        app.push_screen(TextDialog(title, lambda: _lines(app.workspace, thing, row, app.glyphs, with_pairs=with_pairs)))


def _lines(
    workspace: "Workspace", name: VersionName, row: int | None, glyphs: "Glyphs", *, with_pairs: bool
) -> "list[Line]":
    from console.presentation.explanation import contribution_lines, importance_lines
    from core.training.own_data.explanation import ExplainRequest, explain_one, explain_version

    request = ExplainRequest(model=name.model, version=name.version, row=row, interactions=with_pairs)
    if row is None:
        return importance_lines(explain_version(workspace, request).report, glyphs)
    return contribution_lines(explain_one(workspace, request).report, glyphs)


def _over(app: "ConsoleControls", name: VersionName, over: timedelta) -> "list[Line]":
    from console.presentation.explanation import trend_lines
    from core.training.own_data.served_trend import explain_over

    found = explain_over(app.workspace, name.model, over, version=name.version, clock=app.now)
    return trend_lines(found, app.glyphs)


class ExplainAgainst(Verb[VersionName]):
    """Compare what two versions of a model rely on."""

    name = "explain_against"
    noun = VERSION
    command = Command("compare what a version relies on with an earlier one", options=(Argument("BEFORE"),))

    def do(self, app: "ConsoleControls", thing: VersionName, *options: Any) -> None:
        """Open the comparison, which is computed in a thread."""
        from console.dialogs.text import TextDialog

        if not options:
            raise UsageError("Name the version to compare with: :explain_against MODEL VERSION BEFORE.")
        before = str(options[0])
        title = f"What {thing.model} {thing.version} relies on, against {before}"
        app.push_screen(TextDialog(title, lambda: _changes(app.workspace, thing, before, app.glyphs)))


def _changes(workspace: "Workspace", name: VersionName, before: str, glyphs: "Glyphs") -> "list[Line]":
    from console.presentation.explanation import change_lines
    from core.training.own_data.explanation import ExplainRequest, compare_explained

    request = ExplainRequest(model=name.model, version=name.version)
    return change_lines(compare_explained(workspace, request, before), glyphs)


EXPLAIN, EXPLAIN_AGAINST = Explain(), ExplainAgainst()
