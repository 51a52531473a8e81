"""A request to the engine: a change of the desired half of a document, based on the state shown at the key press."""

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypedDict, TypeVar

from console.presentation.offer import AskAgainError, Commit, Offer, told_first
from console.verbs.offer import OfferContext
from console.verbs.verb import Change
from widgets.line import Line, section

if TYPE_CHECKING:
    from core.actor import Actor
    from widgets.glyphs import Glyphs


class Asked(TypedDict):
    """The person, the reason, and the state of the object that a request is based on."""

    actor: "Actor"
    reason: str
    expected_revision: int


class Wording(NamedTuple):
    """The consequences of a request: the next state, the effects, how to undo it."""

    then: str
    effects: tuple[str, ...]
    way_back: str
    guard: str = ""
    """What watches for harm afterwards: true only while an engine works."""


class Requested(Protocol):
    """A document with a desired half, which people change, and an observed half, which the engine changes."""

    @property
    def model(self) -> str:
        """The model that it is about."""

    @property
    def revision(self) -> int:
        """Its revision."""

    @property
    def desired_revision(self) -> int:
        """Its revision when a person changed it last."""

    @property
    def updated_by(self) -> str:
        """Who changed it last."""


D = TypeVar("D", bound=Requested)


class DesiredRequest(Change[D]):
    """Request a change of a document, unless another request came first, or the engine's next step."""

    confirm: str

    def name_of(self, thing: D) -> str:
        """Return the id of the document."""
        raise NotImplementedError

    def store(self, context: OfferContext) -> Any:
        """Return what keeps the documents: its `get` finds one by its id."""
        raise NotImplementedError

    def move(self, thing: D, glyphs: "Glyphs") -> Line:
        """Say which version takes traffic from which."""
        raise NotImplementedError

    def standing(self, thing: D) -> str:
        """Say where it stands now."""
        raise NotImplementedError

    def wording(self, thing: D) -> Wording:
        """Describe the consequences."""
        raise NotImplementedError

    def evidence(self, thing: D, glyphs: "Glyphs") -> list[Line]:
        """Return what the decision rests on."""
        return []

    def late(self, context: OfferContext) -> tuple[str, ...]:
        """Say what waits for an engine, if something does."""
        return context.without_engine()

    def promised(self, thing: D) -> tuple[object, ...]:
        """Return what the question says: if it is not true any more, the question is asked again."""
        return (self.standing(thing), self.wording(thing))

    def ask(self, store: Any, thing: D, asked: Asked) -> str:
        """Send the request to core, and report it."""
        raise NotImplementedError

    def offer(self, context: OfferContext, thing: D, *options: Any) -> Offer:
        """Offer it, with the state now and then."""
        then, effects, way_back, guard = self.wording(thing)
        return Offer(
            title=f"{self.confirm} {self.name_of(thing)} of {thing.model}",
            lines=(
                self.move(thing, context.glyphs),
                Line((("now      ", "muted"), (self.standing(thing), ""))),
                Line((("then     ", "muted"), (then, "strong"))),
                *self.evidence(thing, context.glyphs),
                *section("What will happen", (*effects, *context.guarded(guard), *self.late(context))),
                *section("How to undo it", (way_back,)),
            ),
            confirm=self.confirm,
            commit=self.commit(context, thing),
        )

    def commit(self, context: OfferContext, thing: D) -> Commit:
        """Return the function that sends the request, or asks again if the engine went on."""
        store = self.store(context)

        def commit(reason: str) -> str:
            now = store.get(self.name_of(thing))
            is_stepped = now.desired_revision <= thing.revision and self.refusal(now) is None
            if is_stepped and self.promised(now) != self.promised(thing):
                news = f"{self.name_of(now)} is {self.standing(now)}; it was {self.standing(thing)}. "
                news += f"Changed by {now.updated_by}."
                raise AskAgainError(news, lambda: told_first(self.offer(context, now), (news,)))
            asked = Asked(actor=context.actor, reason=reason, expected_revision=thing.revision)
            return self.ask(store, thing, asked)

        return commit
