"""Saved views: open one, list them, save what is on the screen as one, delete one."""

from functools import partial
from typing import TYPE_CHECKING, Any

from console.navigation import OpensViews, open_saved_view
from console.presentation.offer import Offer
from console.presentation.phrases import counted
from console.verbs.offer import OfferContext
from console.verbs.verb import Argument, Command, Verb
from core.errors import NotFoundError, RefusedError, UsageError
from widgets.line import Line, section

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from console.context import ConsoleControls
    from core.saved_views import SavedView
    from core.view.snapshot import Snapshot

SAVE, DELETE = "save", "delete"


def _names(snapshot: "Snapshot") -> tuple[str, ...]:
    return tuple(view.name for view in snapshot.views)


def _first_words(snapshot: "Snapshot", _before: "Sequence[str]") -> tuple[str, ...]:
    return (*_names(snapshot), SAVE, *([DELETE] if snapshot.views else []))


def _second_words(snapshot: "Snapshot", before: "Sequence[str]") -> tuple[str, ...]:
    return _names(snapshot) if before[0] in (SAVE, DELETE) else ()


def _third_words(snapshot: "Snapshot", before: "Sequence[str]") -> tuple[str, ...]:
    return tuple(model.model for model in snapshot.models) if before[0] == SAVE else ()


class ShowView(Verb[None]):
    """Open a saved view, list them, save what is on the screen, or delete one."""

    name = "view"
    command = Command(
        "open a saved view; save NAME makes one of what is on the screen, delete NAME deletes one; alone: list them",
        options=(
            Argument("VIEW|save|delete", _first_words),
            Argument("NAME", _second_words),
            Argument("MODELS", _third_words, read=lambda text: text.replace(",", " ").split(), takes_rest=True),
        ),
    )

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> "Awaitable[None] | None":
        """Open the view or the list; saving and deleting ask first.

        Raises:
            NotFoundError: There is no such view.
            UsageError: The words do not fit together.
            RefusedError: Nothing may be changed now.
        """
        word, name, models = (*options, None, None, None)[:3]
        if word not in (SAVE, DELETE):
            if name is not None:
                raise UsageError(f"Type :view {word}, or :view save {name}.")
            return open_saved_view(app, _known(app, word) if word else "")
        if name is None:
            raise UsageError(f"Type :view {word} NAME.")
        if (refused := app.refusal) is not None:
            raise RefusedError(refused)
        if (refused := app.rights.refusal((f"view.{word}",), None)) is not None:
            raise RefusedError(refused)
        context = OfferContext.of(app)
        if word == DELETE:
            if models is not None:
                raise UsageError(f"Type :view delete {name}.")
            app.offer(partial(_deletion, context, _known(app, name)))
        else:
            app.offer(partial(_saving, context, _on_screen(app, name, models)))
        return None


def _known(app: "ConsoleControls", name: str) -> str:
    from core.saved_views.checking import nearest

    names = _names(app.newest)
    if name in names:
        return name
    hint = nearest(name, names) if names else "none is saved yet"
    raise NotFoundError(f"There is no view {name}; {hint}")


def _on_screen(app: "ConsoleControls", name: str, models: "Sequence[str] | None") -> "SavedView":
    """Describe what is on the screen as a view.

    Raises:
        RefusedError: No list on the screen can be a pane of a view.
        UsageError: The name or a pattern is none.
    """
    from core.saved_views import checked_view
    from core.saved_views.saved_view import SavedView
    from core.saved_views.view_file import written_view

    screen = app.shown_screen()
    panes = screen.panes_to_save() if screen is not None else ()
    if not panes:
        raise RefusedError("No list of this screen can be a pane of a view.")
    shown = screen.view if isinstance(screen, OpensViews) else None
    earlier = next((view for view in app.newest.views if view.name == name), None)
    # Who saves over a view keeps its words and its models, unless they come from another view on the screen.
    words = shown or earlier
    values = written_view(
        SavedView(
            name=name,
            title=words.title if words is not None and words.name == name else "",
            summary=words.summary if words is not None and words.name == name else "",
            models=tuple(models) if models is not None else words.models if words is not None else (),
            tags=words.tags if words is not None and models is None else {},
            panes=panes,
        )
    )
    return checked_view(name, values)


def _saving(context: OfferContext, view: "SavedView") -> Offer:
    from core.saved_views import SavedViews

    views = SavedViews(context.workspace)
    before = next((each for each in views.all() if each.name == view.name), None)

    def commit(reason: str) -> str:
        views.save(
            [view],
            actor=context.actor,
            reason=reason,
            replace=True,
            expected_revision=before.revision if before is not None else 0,
        )
        return f"Saved the view {view.name}; :view {view.name} opens it."

    effects = [f"Everybody of this workspace can open it with :view {view.name}."]
    if before is not None:
        effects.insert(0, f"It replaces the view that {before.updated_by} saved.")
    undo = "The audit log keeps the earlier view." if before is not None else f":view delete {view.name}"
    return Offer(
        title=f"Save the view {view.name}",
        lines=(*_described(view), *section("What will happen", effects), *section("How to undo it", (undo,))),
        confirm="Save",
        doing=f"Saving the view {view.name}",
        commit=commit,
    )


def _deletion(context: OfferContext, name: str) -> Offer:
    from core.saved_views import SavedViews

    views = SavedViews(context.workspace)
    view = views.get(name)

    def commit(reason: str) -> str:
        views.delete(name, actor=context.actor, reason=reason, expected_revision=view.revision)
        return f"Deleted the view {name}."

    return Offer(
        title=f"Delete the view {name}",
        lines=(
            *_described(view),
            *section("What will happen", ("It is gone for everybody of this workspace.",)),
            *section("How to undo it", ("The audit log keeps it: w on its record shows the panes.",)),
        ),
        confirm="Delete",
        doing=f"Deleting the view {name}",
        commit=commit,
    )


def _described(view: "SavedView") -> list[Line]:
    lines = [
        Line((("models   ", "muted"), (view.scope, ""))),
        Line((("panes    ", "muted"), (counted(len(view.panes), "pane"), ""))),
    ]
    for pane in view.panes:
        said = [
            ", ".join(pane.columns),
            f"filter {pane.filter}" if pane.filter else "",
            pane.sort and f"by {pane.sort}",
        ]
        lines.append(Line((("  ", ""), (f"{pane.pane}  ", "strong"), ("; ".join(filter(None, said)), "muted"))))
    return lines
