"""Grammars of texts with a known truth: a document has one derivation, so its probability is known exactly."""

from core.domains.grammar.grammar import (
    DocumentFacts,
    DocumentGrammar,
    DrawnDocument,
    FactLaw,
    GrammarError,
    TextReading,
    WordedKind,
    WordingClause,
)
from core.domains.grammar.kind import NamesInTexts, TextDomain, TextOffer
from core.domains.grammar.laws import DayLaw, LognormalLaw, SerialLaw, TableLaw, TextLaw, one_of

__all__ = [
    "DayLaw",
    "DocumentFacts",
    "DocumentGrammar",
    "DrawnDocument",
    "FactLaw",
    "GrammarError",
    "LognormalLaw",
    "NamesInTexts",
    "SerialLaw",
    "TableLaw",
    "TextDomain",
    "TextLaw",
    "TextOffer",
    "TextReading",
    "WordedKind",
    "WordingClause",
    "one_of",
]
