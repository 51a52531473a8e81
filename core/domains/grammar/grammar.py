"""A grammar of documents: what it draws, it reads back, with the exact probability of the whole document.

A document has a kind. Its wording is a sequence of choices with stated odds; then each fact that the wording names is
drawn by a law, which may depend on facts before it. The probability of a document is the product of all of these, over
its derivation. `derivations` finds every derivation of a text, so a test can show that there is one.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from core.domains.grammar.laws import TextLaw
from core.domains.grammar.uniform import UniformDraws

DocumentFacts = Mapping[str, str]
_FACT = re.compile(r"\{(\w+)\}")


class GrammarError(ValueError):
    """A grammar contradicts itself."""


@dataclass(frozen=True, slots=True)
class FactLaw:
    """A fact of a kind of document.

    Attributes:
        name: As the wordings name it.
        pattern: A regular expression that every text of it matches, whatever the facts before it.
        law: Returns its law, given the facts before it.
        needs: The facts on which the law depends; every wording of the kind names them.
    """

    name: str
    pattern: str
    law: Callable[[DocumentFacts], TextLaw]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WordingClause:
    """One of several wordings, each with its odds; a wording may name facts in braces, and may be empty."""

    wordings: tuple[str, ...]
    odds: tuple[float, ...]


@dataclass(frozen=True)
class WordedKind:
    """A kind of document.

    Attributes:
        name: Its name.
        share: Its share of all documents.
        clauses: The choices of wordings, in their order.
        facts: Its facts, in the order in which they are drawn.
    """

    name: str
    share: float
    clauses: tuple[WordingClause, ...]
    facts: tuple[FactLaw, ...]

    def __post_init__(self) -> None:
        """Check that it is whole.

        Raises:
            GrammarError: Odds do not add up to 1, a fact is not known, or one that a law depends on may be missing.
        """
        known: set[str] = set()
        always, named = self.named_by_all(), {name for clause in self.clauses for name in _named(clause)}
        for fact in self.facts:
            if fact.name in named and (
                missing := [name for name in fact.needs if name not in known or name not in always]
            ):
                raise GrammarError(f"{self.name}: {fact.name} depends on {missing[0]}, which may be missing")
            known.add(fact.name)
        for clause in self.clauses:
            if len(clause.odds) != len(clause.wordings) or not math.isclose(sum(clause.odds), 1.0):
                raise GrammarError(f"{self.name}: the odds of {clause.wordings} do not add up to 1")
            for name in _named(clause):
                if name not in known:
                    raise GrammarError(f"{self.name}: a wording names {name}, which has no law")

    def named_by_all(self) -> frozenset[str]:
        """Return the facts that every wording of some clause names."""
        found: set[str] = set()
        for clause in self.clauses:
            found |= set.intersection(*(set(_FACT.findall(wording)) for wording in clause.wordings))
        return frozenset(found)

    @cached_property
    def split_clauses(self) -> tuple[tuple[tuple[float, tuple[str, ...]], ...], ...]:
        """Each wording of each clause as the log of its odds and its pieces: literal texts, and facts in braces."""
        return tuple(
            tuple(
                (math.log(odds), tuple(piece for piece in re.split(r"(\{\w+\})", wording) if piece))
                for wording, odds in zip(clause.wordings, clause.odds, strict=True)
            )
            for clause in self.clauses
        )

    @cached_property
    def edges(self) -> tuple[tuple[float, ...], ...]:
        """The cumulated odds of each clause."""
        return tuple(tuple(accumulate(clause.odds)) for clause in self.clauses)

    @cached_property
    def patterns(self) -> Mapping[str, re.Pattern[str]]:
        """The pattern of each fact, compiled."""
        return {fact.name: re.compile(fact.pattern) for fact in self.facts}


@dataclass(frozen=True, slots=True)
class DrawnDocument:
    """A document with its truth.

    Attributes:
        text: What it says.
        kind: Its kind.
        facts: Its facts, as written.
        log_probability: The log of the probability that the grammar draws exactly this text.
    """

    text: str
    kind: str
    facts: DocumentFacts
    log_probability: float


@dataclass(frozen=True, slots=True)
class TextReading:
    """One derivation of a text: its kind, its facts, and the log of its probability."""

    kind: str
    facts: DocumentFacts
    log_probability: float


class DocumentGrammar:
    """Draws documents, and reads them."""

    def __init__(self, kinds: Sequence[WordedKind]) -> None:
        """Take the kinds; their shares add up to 1.

        Raises:
            GrammarError: They do not.
        """
        self.kinds = tuple(kinds)
        if not math.isclose(sum(kind.share for kind in self.kinds), 1.0):
            raise GrammarError("the shares of the kinds do not add up to 1")
        self._edges = tuple(accumulate(kind.share for kind in self.kinds))

    def draw(self, uniform: UniformDraws) -> DrawnDocument:
        """Draw a document."""
        kind = self.kinds[uniform.place(self._edges)]
        log_probability = math.log(kind.share)
        pieces: list[str] = []
        for clause, edges in zip(kind.split_clauses, kind.edges, strict=True):
            log_odds, chosen = clause[uniform.place(edges)]
            log_probability += log_odds
            pieces += chosen
        named = {piece[1:-1] for piece in pieces if piece.startswith("{")}
        facts: dict[str, str] = {}
        for fact in kind.facts:
            if fact.name in named:
                law = fact.law(facts)
                facts[fact.name] = law.draw(uniform)
                log_probability += law.log_probability(facts[fact.name])
        text = "".join(facts[piece[1:-1]] if piece.startswith("{") else piece for piece in pieces)
        return DrawnDocument(text, kind.name, facts, log_probability)

    def documents(self, n: int, *, seed: int, name: str = "texts") -> Iterator[DrawnDocument]:
        """Draw documents; the first of them are the same, however many are drawn.

        Args:
            n: How many.
            seed: The seed.
            name: The stream: documents of another name are other documents.
        """
        uniform = UniformDraws(seed, name)
        for _ in range(n):
            yield self.draw(uniform)

    def derivations(self, text: str) -> Iterator[TextReading]:
        """Find every derivation of a text with a probability above 0."""
        for kind in self.kinds:
            for facts, log_wording in _wordings(kind, 0, text, 0):
                log_facts = _log_facts(kind, facts)
                if log_facts > -math.inf:
                    yield TextReading(kind.name, facts, math.log(kind.share) + log_wording + log_facts)

    def read(self, text: str) -> TextReading | None:
        """Return what a text says; None if the grammar cannot draw it."""
        return next(self.derivations(text), None)


def _named(clause: WordingClause) -> list[str]:
    return _FACT.findall("".join(clause.wordings))


def _log_facts(kind: WordedKind, facts: DocumentFacts) -> float:
    """Return the log of the probability of the facts; each law is asked once the facts that it needs are known."""
    total = 0.0
    for fact in kind.facts:
        if fact.name in facts:
            total += fact.law(facts).log_probability(facts[fact.name])
            if total == -math.inf:
                return total
    return total


def _wordings(kind: WordedKind, clause: int, text: str, at: int) -> Iterator[tuple[dict[str, str], float]]:
    """Yield the facts and the log odds of every way to read the rest of a text from a clause on."""
    pending: list[tuple[int, int, dict[str, str], float]] = [(clause, at, {}, 0.0)]
    while pending:
        place, start, facts, log_odds = pending.pop()
        if place == len(kind.split_clauses):
            if start == len(text):
                yield facts, log_odds
            continue
        for log_wording, pieces in kind.split_clauses[place]:
            for end, found in _pieces(kind, pieces, text, start, facts):
                pending.append((place + 1, end, found, log_odds + log_wording))


def _pieces(
    kind: WordedKind, pieces: Sequence[str], text: str, start: int, facts: dict[str, str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield where each way to read some pieces ends, with the facts so far."""
    pending: list[tuple[int, int, dict[str, str]]] = [(0, start, facts)]
    while pending:
        place, at, known = pending.pop()
        if place == len(pieces):
            yield at, known
            continue
        piece = pieces[place]
        if not piece.startswith("{"):
            if text.startswith(piece, at):
                pending.append((place + 1, at + len(piece), known))
            continue
        name = piece[1:-1]
        if name in known:
            if text.startswith(known[name], at):
                pending.append((place + 1, at + len(known[name]), known))
            continue
        pattern = kind.patterns[name]
        if (longest := pattern.match(text, at)) is None:
            continue
        for end in range(at + 1, longest.end() + 1):
            if pattern.fullmatch(text, at, end):
                pending.append((place + 1, end, {**known, name: text[at:end]}))
