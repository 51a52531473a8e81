"""A file of documents that stay in it until somebody reads them: each is known by its place alone."""

import os
from collections.abc import Callable

import msgspec
import orjson

from core.json_documents import decode_json
from core.state.encoding import DocumentInFile
from core.state.errors import DamagedFileError

_BLOCK_BYTES = 256 << 10


class DocumentFile:
    """One TinyDB file, kept open, and the places of its documents.

    It is read in blocks: whoever reads all documents in order reads each block once.
    """

    __slots__ = ("__weakref__", "_as_read", "_block", "_damaged", "_descriptor", "_open_copy", "is_spoilt", "tables")

    def __init__(
        self,
        encoded: bytes,
        descriptor: int,
        damaged: Callable[[str], DamagedFileError],
        *,
        open_copy: Callable[[], int | None] = lambda: None,
    ) -> None:
        """Find the documents.

        Args:
            encoded: Its content.
            descriptor: The open file, which is closed with this object.
            damaged: Makes the error for a description of its damage.
            open_copy: Opens a whole file with the very same bytes, if there is one.

        Raises:
            ValueError: The content is no TinyDB file.
        """
        self._descriptor = descriptor
        self._damaged = damaged
        self._open_copy = open_copy
        self._as_read = _state_of(descriptor)
        self._block = (0, b"")
        self.is_spoilt = False  # somebody has written into the file, so it must be read again
        self.tables: dict[str, dict[str, DocumentInFile]] = {}
        place = 0
        for name, table in decode_json(encoded, dict[str, dict[str, msgspec.Raw]]).items():
            documents = self.tables[name] = {}
            for number, spelled in table.items():
                place = encoded.index(memoryview(spelled), place)
                documents[number] = DocumentInFile(self, place, place + memoryview(spelled).nbytes)
                place = documents[number].end

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        close(self._descriptor)

    def read(self, start: int, end: int) -> memoryview:
        """Return the bytes between two offsets.

        Raises:
            DamagedFileError: Somebody has written into the file.
        """
        begin, block = self._block
        if not begin <= start <= end <= begin + len(block):
            is_in_order = 0 <= start - (begin + len(block)) < _BLOCK_BYTES  # else a block would be read in vain
            n_bytes = max(_BLOCK_BYTES if is_in_order else 0, end - start)
            begin, block = start, os.pread(self._descriptor, n_bytes, start)
            while _state_of(self._descriptor) != self._as_read:  # looked at after it was read
                self._turn_to_copy()
                block = os.pread(self._descriptor, n_bytes, start)
            self._block = begin, block
        return memoryview(block)[start - begin : end - begin]

    def _turn_to_copy(self) -> None:
        """Read from the copy from now on: a screen that shows these documents lives on, and the next reader complains.

        Raises:
            DamagedFileError: There is no whole copy.
        """
        self.is_spoilt = True
        if (copy := self._open_copy()) is None:
            raise self._damaged("it was changed while it was in use")
        os.dup2(copy, self._descriptor, inheritable=False)  # in one step, for readers in other threads
        os.close(copy)
        self._as_read = _state_of(self._descriptor)


def require_documents(encoded: bytes) -> None:
    """Check that every document of a TinyDB file is complete JSON, one at a time: together they may be large.

    Raises:
        ValueError: One is not; the message describes the damage.
    """
    tables = decode_json(encoded, dict[str, dict[str, msgspec.Raw]])
    for name, table in tables.items():
        for number, spelled in table.items():
            is_numbered = number.isascii() and number.isdigit()
            if name != "archive" and not (is_numbered and isinstance(orjson.loads(memoryview(spelled)), dict)):
                raise ValueError(f"its table {name!r} holds {number!r}, which is not a numbered document")


def _state_of(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_size, status.st_mtime_ns
