"""How a domain offers its texts. Light to import."""

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from core.domains.grammar.grammar import DocumentGrammar


class NamesInTexts(StrEnum):
    """Which names the documents of a corpus may hold."""

    ALL = "all"
    KNOWN = "known"
    HELD_OUT = "held-out"


class TextOffer(Protocol):
    """Returns the grammar of a domain's texts, with some of its names."""

    def __call__(self, names: NamesInTexts) -> "DocumentGrammar":
        """Return the grammar."""


@runtime_checkable
class TextDomain(Protocol):
    """A domain with a grammar of texts; `texts` is the place of its `TextOffer`, as `module:attribute`."""

    @property
    def texts(self) -> str:
        """Where its `TextOffer` is."""
