"""How a field of a snapshot is taken apart into documents, and put together again."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Stored(ABC):
    """One field of a snapshot as documents, each with a key. `type` is the documents' own."""

    field: str
    type: Any
    is_ordered: ClassVar[bool] = False  # whether the order of the documents is kept, too

    @abstractmethod
    def take_apart(self, value: Any) -> Iterable[tuple[str, Any]]:
        """Name the documents that the value of the field holds."""

    @abstractmethod
    def put_together(self, documents: Mapping[str, Any]) -> Any:
        """Make the value of the field from its documents, which come in their order where that is kept."""


@dataclass(frozen=True, slots=True)
class Listed(Stored):
    """A tuple of documents, found by an attribute of theirs."""

    key: str
    is_ordered: ClassVar[bool] = True

    def take_apart(self, value: Any) -> Iterable[tuple[str, Any]]:
        """Name each document of the tuple; one that nobody looks at has none."""
        return ((getattr(document, self.key), document) for document in value or ())

    def put_together(self, documents: Mapping[str, Any]) -> Any:
        """List them."""
        return tuple(documents.values())


@dataclass(frozen=True, slots=True)
class Mapped(Stored):
    """A mapping, each value of which is a document."""

    def take_apart(self, value: Any) -> Iterable[tuple[str, Any]]:
        """Name each value by its key."""
        return value.items()  # type: ignore[no-any-return]

    def put_together(self, documents: Mapping[str, Any]) -> Any:
        """Map them, read-only."""
        return MappingProxyType(dict(documents))


@dataclass(frozen=True, slots=True)
class Single(Stored):
    """A document that is there or not."""

    def take_apart(self, value: Any) -> Iterable[tuple[str, Any]]:
        """Name it by nothing."""
        return () if value is None else (("", value),)

    def put_together(self, documents: Mapping[str, Any]) -> Any:
        """Return it, or None."""
        return documents.get("")
