"""How a field of a snapshot is split into documents, and assembled from them again."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Stored(ABC):
    """One field of a snapshot, stored as documents of one `type`, each with a key."""

    field: str
    type: Any
    is_ordered: ClassVar[bool] = False  # whether the order of the documents is stored, too

    @abstractmethod
    def take_apart(self, value: Any) -> Iterable[tuple[str, Any]]:
        """Split the field's value into (key, document) pairs."""

    @abstractmethod
    def put_together(self, documents: Mapping[str, Any]) -> Any:
        """Assemble the field's value from its documents; they come in their stored order, if there is one."""


@dataclass(frozen=True, slots=True)
class Listed(Stored):
    """A tuple of documents. The key is an attribute of the document."""

    key: str
    is_ordered: ClassVar[bool] = True

    def take_apart(self, value: Any) -> Iterable[tuple[str, Any]]:
        """Pair each document with its key; None, an unread list, has no documents."""
        return ((getattr(document, self.key), document) for document in value or ())

    def put_together(self, documents: Mapping[str, Any]) -> Any:
        """Return the documents as a tuple."""
        return tuple(documents.values())


@dataclass(frozen=True, slots=True)
class Mapped(Stored):
    """A mapping whose values are the documents."""

    def take_apart(self, value: Any) -> Iterable[tuple[str, Any]]:
        """Return the items of the mapping."""
        return value.items()  # type: ignore[no-any-return]

    def put_together(self, documents: Mapping[str, Any]) -> Any:
        """Return the documents as a read-only mapping."""
        return MappingProxyType(dict(documents))


@dataclass(frozen=True, slots=True)
class Single(Stored):
    """A single document, which may be missing."""

    def take_apart(self, value: Any) -> Iterable[tuple[str, Any]]:
        """Return the document under an empty key, if there is one."""
        return () if value is None else (("", value),)

    def put_together(self, documents: Mapping[str, Any]) -> Any:
        """Return the document, or None."""
        return documents.get("")
