"""Files encrypted at rest: an envelope of a random content key, which the key of a person wraps, and sealed pieces.

A sealed file is `MAGIC`, the length of a header, the header as JSON, and the content in pieces of a megabyte, each
sealed by AES-256-GCM. Every file has a content key of its own, so the nonce of a piece is its number; the last piece is
marked in its nonce, so that a file that was cut short or continued is told from a whole one. The header holds the
content key, wrapped by a key that scrypt derives from the person's key. So another key of the person takes a new header
and no new content, and whoever has a file and the key needs nothing else.

Sources:
    NIST SP 800-38D (2007), Galois/Counter Mode.
    Hoang, Reyhanitabar, Rogaway and Vizár, Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance,
    CRYPTO 2015: the STREAM construction.
"""

import errno
import hashlib
import hmac
import io
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from core.errors import UsageError
from core.escape import shown
from core.files import open_to_write
from core.json_documents import decode_json
from core.key_derivation import KeyDerivation, derived_key, fresh_derivation
from core.plain_files import open_plain

MAGIC = b"bondx sealed 1\n"
SEALED_SUFFIX = ".sealed"
_KEY_BYTES, _NONCE_BYTES, _TAG_BYTES, _LENGTH_BYTES = 32, 12, 16, 4
_PIECE_BYTES = 1 << 20
_MOST_HEADER_BYTES = 4_096
_CHECKED, _WRAPPED = b"bondx sealed files", b"bondx content key"

DAMAGED_SEAL = "Restore it from a backup."
"""How the sentence about a sealed file ends that was changed, whichever key there is."""


class SealedFileError(UsageError):
    """A sealed file cannot be read, or none can be written."""


class UnreadableContentError(OSError):
    """A sealed file cannot be read, for those who read any file and know `OSError` alone; `strerror` is a sentence."""

    def __init__(self, error: UsageError, path: Path) -> None:
        super().__init__(errno.EACCES, str(error), str(path))


class AnotherSealKeyError(SealedFileError):
    """The key is not the one that a file was sealed with."""


class _Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    key: KeyDerivation
    wrapped: str  # the nonce and the wrapped content key, as hex digits


class FileSealer:
    """Seals files with the key of a person."""

    def __init__(self, key: bytes, derivation: KeyDerivation) -> None:
        """Derive the wrapping key; takes a tenth of a second by design.

        Args:
            key: The key of a person.
            derivation: How it is derived. Without a check, the key is taken as it is.
        Raises:
            AnotherSealKeyError: The check is that of another key.
            ValueError: The derivation cannot be used.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        keys = derived_key(key, derivation, 2 * _KEY_BYTES)
        check = hmac.new(keys[_KEY_BYTES:], _CHECKED, "sha256").hexdigest()
        if derivation.check and not hmac.compare_digest(check, derivation.check):
            raise AnotherSealKeyError("It was sealed with another key.")
        self._wrapping = AESGCM(keys[:_KEY_BYTES])
        self.derivation = msgspec.structs.replace(derivation, check=check)

    def new_header(self, content_key: bytes) -> _Header:
        """Wrap a content key."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _Header(
            key=self.derivation, wrapped=(nonce + self._wrapping.encrypt(nonce, content_key, _WRAPPED)).hex()
        )

    def content_key(self, header: _Header) -> bytes:
        """Unwrap the content key.

        Raises:
            ValueError: The header was changed.
        """
        from cryptography.exceptions import InvalidTag

        wrapped = bytes.fromhex(header.wrapped)
        try:
            return self._wrapping.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], _WRAPPED)
        except InvalidTag:
            raise ValueError("its header was changed") from None


FindSealer = Callable[[KeyDerivation], FileSealer]
"""Finds the sealer of a file by what its header says of the key, or raises a `SealedFileError` that says what to do."""

_sealers: dict[tuple[bytes, KeyDerivation], FileSealer] = {}
_MOST_SEALERS = 32


def sealer_of(key: bytes, derivation: KeyDerivation | None = None) -> FileSealer:
    """Return the sealer of a key, derived once in a process for each derivation; by default with a new salt.

    Raises:
        AnotherSealKeyError: The derivation is that of another key.
        ValueError: The derivation cannot be used.
    """
    if derivation is None:
        return FileSealer(key, fresh_derivation())
    place = hashlib.sha256(key).digest(), derivation
    if (found := _sealers.get(place)) is None:
        found = FileSealer(key, derivation)
        if len(_sealers) >= _MOST_SEALERS:
            _sealers.clear()
        _sealers[place] = found
    return found


def known_sealer(derivation: KeyDerivation) -> FileSealer | None:
    """Return the sealer of a derivation if this process has used it before: its key need not be asked for again."""
    if not derivation.check:
        return None
    return next((sealer for (_, known), sealer in _sealers.copy().items() if known == derivation), None)


class SealedOutput(io.RawIOBase):
    """The content of a sealed file, as it is written. `write_sealed` opens one."""

    def __init__(self, out: BinaryIO, sealer: FileSealer) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        super().__init__()
        key = AESGCM.generate_key(8 * _KEY_BYTES)
        self._out, self._cipher = out, AESGCM(key)
        self._waiting, self._n_pieces, self._n_bytes = bytearray(), 0, 0
        self._hashed = hashlib.sha256()
        _write_header(out, sealer.new_header(key))

    @property
    def sha256(self) -> str:
        """The SHA-256 of the content so far, unsealed."""
        return self._hashed.hexdigest()

    def writable(self) -> bool:
        """Say that it is written to."""
        return True

    def tell(self) -> int:
        """Return the number of bytes of the content so far."""
        return self._n_bytes

    def write(self, content: Any) -> int:
        """Take some content."""
        view = memoryview(content).cast("B")
        self._hashed.update(view)
        self._n_bytes += len(view)
        self._waiting += view
        while len(self._waiting) > _PIECE_BYTES:  # the last piece waits, for it is marked
            self._put(bytes(self._waiting[:_PIECE_BYTES]), is_last=False)
            del self._waiting[:_PIECE_BYTES]
        return len(view)

    def finish(self) -> None:
        """Write the last piece."""
        self._put(bytes(self._waiting), is_last=True)
        self._waiting.clear()

    def _put(self, piece: bytes, *, is_last: bool) -> None:
        self._out.write(self._cipher.encrypt(_nonce(self._n_pieces, is_last=is_last), piece, None))
        self._n_pieces += 1


@contextmanager
def write_sealed(out: BinaryIO, sealer: FileSealer) -> Iterator[SealedOutput]:
    """Seal what is written within the context; on an error the file stays without its last piece, so unreadable."""
    sealed = SealedOutput(out, sealer)
    yield sealed
    sealed.finish()


@contextmanager
def new_sealed_file(path: Path, sealer: FileSealer) -> Iterator[SealedOutput]:
    """Seal what is written within the context into a new file; it is not synced.

    Raises:
        OSError: It exists, or cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(open_to_write(path, flags), "wb") as out, write_sealed(out, sealer) as sealed:
        yield sealed


def seal(content: bytes, sealer: FileSealer) -> bytes:
    """Return a content as a sealed file."""
    out = io.BytesIO()
    with write_sealed(out, sealer) as sealed:
        sealed.write(content)
    return out.getvalue()


class UnsealedInput(io.RawIOBase):
    """The content of a sealed file, as it is read. `open_unsealed` and `open_content` open one."""

    def __init__(self, file: BinaryIO, path: Path, find: "FindSealer", *, tells: bool) -> None:
        super().__init__()
        self._pieces, self._file, self._path, self._tells = _opened(file, path, find), file, path, tells
        self._waiting, self._n_read = memoryview(b""), 0

    def readable(self) -> bool:
        """Say that it is read from."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what comes next, or a part of it; nothing at the end."""
        if not self._waiting:
            try:
                self._waiting = memoryview(next(filter(None, self._pieces), b""))
            except UsageError as error:  # `find` cannot read settings or the key, or a `SealedFileError`
                if self._tells:
                    raise
                raise UnreadableContentError(error, self._path) from None
        target = memoryview(buffer).cast("B")
        n_bytes = min(len(target), len(self._waiting))
        target[:n_bytes] = self._waiting[:n_bytes]
        self._waiting = self._waiting[n_bytes:]
        self._n_read += n_bytes
        return n_bytes

    def tell(self) -> int:
        """Return the number of bytes that were read so far."""
        return self._n_read

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def open_unsealed(path: Path, find: FindSealer) -> BinaryIO:
    """Open a plain file for reading, sealed or not: what is read is the content.

    Args:
        path: The file.
        find: Finds the key.
    Raises:
        OSError: It cannot be read.
        SealedFileError: By reading: it is sealed, and the key cannot be had, or it was changed.
    """
    return _open_either(path, find, tells=True, follow_links=True)


def open_content(path: Path, find: FindSealer, *, follow_links: bool) -> BinaryIO:
    """Open a plain file, sealed or not, for those who read any file: what is read is the content.

    Args:
        path: The file.
        find: Finds the key.
        follow_links: Whether it may be a symbolic link to a plain file.
    Raises:
        OSError: It cannot be read.
        UnreadableContentError: By reading: it is sealed, and the key cannot be had, or it was changed.
    """
    return _open_either(path, find, tells=False, follow_links=follow_links)


def _open_either(path: Path, find: FindSealer, *, tells: bool, follow_links: bool) -> BinaryIO:
    file = open_plain(path, follow_links=follow_links)
    try:
        if file.peek(len(MAGIC))[: len(MAGIC)] != MAGIC:  # type: ignore[attr-defined]  # it is buffered
            return file
        return io.BufferedReader(UnsealedInput(file, path, find, tells=tells), _PIECE_BYTES)
    except BaseException:
        file.close()
        raise


def is_sealed(path: Path) -> bool:
    """Say whether a file is sealed.

    Raises:
        OSError: It cannot be read.
    """
    with open_plain(path) as file:
        return file.read(len(MAGIC)) == MAGIC


def is_unsealing(file: BinaryIO) -> bool:
    """Say whether a file that `open_unsealed` or `open_content` opened is a sealed one."""
    return isinstance(getattr(file, "raw", None), UnsealedInput)


def unsealed(content: bytes, path: Path, find: FindSealer) -> bytes | None:
    """Return the content of a sealed file whose bytes are at hand; None if they are not those of a sealed file.

    Args:
        content: Its bytes.
        path: The file.
        find: Finds the key.
    Raises:
        SealedFileError: The key cannot be had, or the file was changed.
    """
    if not content.startswith(MAGIC):
        return None
    return b"".join(_opened(io.BytesIO(content), path, find))


def unsealed_content(path: Path, find: FindSealer, *, most: int | None = None) -> bytes | None:
    """Return the content of a sealed file; None if the file is not sealed.

    Args:
        path: The file.
        find: Finds the key.
        most: How many bytes the content may have; None: any number.
    Raises:
        OSError: It cannot be read.
        SealedFileError: The key cannot be had, the file was changed, or it is larger.
    """
    with open_plain(path) as file:
        if file.read(len(MAGIC)) != MAGIC:
            return None
        file.seek(0)
        found = bytearray()
        for piece in _opened(file, path, find):
            found += piece
            if most is not None and len(found) > most:
                raise SealedFileError(
                    f"{shown(str(path))} is sealed and has more than {most >> 30} GiB, which are read at once: unseal "
                    "it first (bondx data unseal)."
                )
        return bytes(found)


def derivation_of(path: Path) -> KeyDerivation | None:
    """Return what a file says of its key; None if it is not sealed.

    Raises:
        OSError: It cannot be read.
        SealedFileError: Its header was changed.
    """
    with open_plain(path) as file:
        if file.read(len(MAGIC)) != MAGIC:
            return None
        return _read_header(file, path).key


def with_another_key(path: Path, out: BinaryIO, before: FileSealer, after: FileSealer) -> None:
    """Copy a sealed file under another key: its header is new, its sealed content stays as it is.

    Raises:
        OSError: It cannot be read or written.
        SealedFileError: It was sealed with another key than the former, or its header was changed.
    """
    with open_plain(path) as file:
        file.seek(len(MAGIC))
        header = _read_header(file, path)
        _write_header(out, after.new_header(_content_key(before, header, path)))
        while piece := file.read(_PIECE_BYTES):
            out.write(piece)


def _opened(file: BinaryIO, path: Path, find: FindSealer) -> Iterator[bytes]:
    """Yield the content of a sealed file, each piece once it is known to be as it was written."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    file.seek(len(MAGIC))
    header = _read_header(file, path)
    cipher = AESGCM(_content_key(find(header.key), header, path))
    number, piece = 0, file.read(_PIECE_BYTES + _TAG_BYTES)
    while True:
        following = file.read(_PIECE_BYTES + _TAG_BYTES)
        try:
            yield cipher.decrypt(_nonce(number, is_last=not following), piece, None)
        except (InvalidTag, ValueError):
            raise _damaged(path, "its bytes were changed, or it was cut short") from None
        if not following:
            return
        number, piece = number + 1, following


def _read_header(file: BinaryIO, path: Path) -> _Header:
    length = int.from_bytes(file.read(_LENGTH_BYTES))
    if length > _MOST_HEADER_BYTES:
        raise _damaged(path, "its header was changed")
    try:
        return decode_json(file.read(length), type=_Header)
    except msgspec.DecodeError:
        raise _damaged(path, "its header was changed") from None


def _write_header(out: BinaryIO, header: _Header) -> None:
    content = msgspec.json.encode(header)
    out.write(MAGIC + len(content).to_bytes(_LENGTH_BYTES) + content)


def _content_key(sealer: FileSealer, header: _Header, path: Path) -> bytes:
    try:
        found = sealer.content_key(header)
    except ValueError:
        raise _damaged(path, "its header was changed") from None
    if len(found) != _KEY_BYTES:
        raise _damaged(path, "its header was changed")
    return found


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(_NONCE_BYTES - 1) + bytes([is_last])


def _damaged(path: Path, problem: str) -> SealedFileError:
    return SealedFileError(f"{shown(str(path), most=300)} is sealed, and {problem}. {DAMAGED_SEAL}")
