"""The key of sealed files: of the settings for what is written, of the workspace of a file for what is read."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from core.confinement import is_root, roots_near
from core.escape import shown
from core.files import create_once, digest, sha256_of, write_file
from core.json_documents import decode_json
from core.key_derivation import KeyDerivation
from core.key_source import KeySource, KeySourceError
from core.plain_files import read_file
from core.sealed_files import (
    AnotherSealKeyError,
    FileSealer,
    FindSealer,
    SealedFileError,
    known_sealer,
    open_content,
    sealer_of,
    unsealed_content,
)
from core.settings.encryption import SealedKind
from core.settings.errors import SettingsError
from core.settings.in_force import SETTINGS_NAME, settings_in_force, settings_unread

OF = "sealed files"
NO_KEY_NAMED: Final = "no key is named"
"""What the sentence about a sealed file holds that could not be read because nobody named a key."""
SEALED_WITH_ANOTHER: Final = "with another key"
_PLACE = "keys/sealing.json"
_CHANGE = "bondx data seal --old-key-file FILE takes the files of a workspace from the former key to the new one"


_keys_of_others: dict[str, bytes | None] = {}


@contextmanager
def opened_by_key(root: Path, key: bytes | None) -> Iterator[None]:
    """Within it, a key alone opens the sealed files of a workspace that somebody else made; its settings are not read.

    Args:
        root: The folder of the workspace.
        key: The key that a person named; None: sealed files stay shut.
    """
    place = os.path.realpath(root)
    with settings_unread(root):
        _keys_of_others[place] = key
        try:
            yield
        finally:
            del _keys_of_others[place]


def sealer_to_write(root: Path, kind: SealedKind) -> FileSealer | None:
    """Return what seals the files of a kind; None if the settings leave them plain.

    Args:
        root: The folder of the workspace.
        kind: The files.
    Raises:
        KeySourceError: The key cannot be read.
        SealedFileError: The key is not the one by which the workspace was sealed before.
        SettingsError: The settings cannot be read.
        FileAccessError: The salt of the key cannot be written.
    """
    return sealer_in_force(root) if kind in settings_in_force(root).encryption.apply_to else None


def sealer_in_force(root: Path) -> FileSealer:
    """Return what seals files by the key of the settings, whichever files they name; raises as `sealer_to_write`."""
    key = _key_of(root)
    if key is None:
        raise SealedFileError("There is no key of sealed files: set encryption.key_file, key_env or key_command.")
    if (known := _known_derivation(root)) is None:
        made = sealer_of(key)
        create_once(root / _PLACE, msgspec.json.encode(made.derivation) + b"\n")
        known = _known_derivation(root) or made.derivation
    try:
        return sealer_of(key, known)
    except AnotherSealKeyError:
        raise AnotherSealKeyError(f"The key of sealed files is not the one of before: {_CHANGE}.") from None
    except ValueError as error:
        raise SealedFileError(f"{root / _PLACE} cannot be used: {error}. Restore it from a backup.") from None


def sealer_around(folder: Path, kind: SealedKind) -> FileSealer | None:
    """Return what seals the files of a folder by the settings of the workspace around it; raises as `sealer_to_write`.

    Args:
        folder: The folder; it need not exist. Outside of the workspaces that this process has opened, nothing seals.
        kind: The files.
    """
    root = next(filter(_is_opened, folder.absolute().parents), None)
    return None if root is None else sealer_to_write(root, kind)


def take_new_key(root: Path, former: bytes | None) -> FileSealer:
    """Seal by the key of the settings from now on, also if it is another than before.

    Args:
        root: The folder of the workspace.
        former: The key of before: who has it means to change it, and has not mistyped the new one as the old one.
    Raises:
        AnotherSealKeyError: The key is another one, and the former key is not that of before; nothing was written.
        UsageError: As `sealer_to_write`.
    """
    key, known = _key_of(root), _known_derivation(root)
    try:
        return sealer_in_force(root)
    except AnotherSealKeyError:
        if key is None or known is None or former is None:
            raise
    try:
        sealer_of(former, known)
    except AnotherSealKeyError:
        raise AnotherSealKeyError(f"The former key that is named is not the one of before either: {_CHANGE}.") from None
    made = sealer_of(key)
    write_file(root / _PLACE, msgspec.json.encode(made.derivation) + b"\n")
    return sealer_of(key, made.derivation)


def sealer_for(path: Path, named: KeySource | None = None) -> FindSealer:
    """Return who finds the key of a sealed file: a named one, or those of the workspaces that this process has opened.

    The settings of another workspace around a file, which anybody may have put there, are not asked: they may name a
    command.

    Args:
        path: The file.
        named: Where a person says that the key is; a relative file begins in the present folder.
    """

    def find(derivation: KeyDerivation) -> FileSealer:
        has_key = False
        for key in _keys(path, named):
            has_key = True
            try:
                return sealer_of(key, derivation)
            except AnotherSealKeyError:
                continue
            except ValueError as error:
                raise SealedFileError(f"{shown(str(path), most=300)} is sealed, and {error}.") from None
        about = f"{shown(str(path), most=300)} is sealed"
        if has_key:
            raise AnotherSealKeyError(f"{about} {SEALED_WITH_ANOTHER} than that of the settings: {_CHANGE}.")
        raise SealedFileError(
            f"{about}, and {NO_KEY_NAMED}: set encryption.key_file, key_env or key_command in bondx.yaml of the "
            "workspace in use, or unseal it with bondx data unseal."
        )

    return find


def sealer_in_use(path: Path) -> FindSealer:
    """Return who finds the key of a sealed file, and does not ask for one again that this process has used before.

    A key may come from a command, and a version has many files. So a server goes on reading while the key is away.
    """

    def find(derivation: KeyDerivation) -> FileSealer:
        return known_sealer(derivation) or sealer_for(path)(derivation)

    return find


def plain_content(path: Path, *, most: int | None = None) -> bytes | None:
    """Return the content of a sealed file by the key of its workspace; None if the file is not sealed.

    Raises:
        OSError: It cannot be read.
        SealedFileError: The key cannot be had, the file was changed, or it has more than `most` bytes.
    """
    return unsealed_content(path, sealer_for(path), most=most)


def opened_content(path: Path, *, follow_links: bool = False) -> BinaryIO:
    """Open a plain file, sealed or not: what is read is the content.

    Args:
        path: The file.
        follow_links: Whether it may be a symbolic link to a plain file.
    Raises:
        OSError: It cannot be read. Reading raises so, too, if it is sealed and the key cannot be had.
    """
    return open_content(path, sealer_in_use(path), follow_links=follow_links)


def read_content(path: Path, *, most: int = -1, follow_links: bool = False) -> bytes:
    """Return the content of a plain file, sealed or not; raises as `opened_content` does.

    Args:
        path: The file.
        most: How many bytes it may have: of a larger file only one more is read, by which the caller sees it.
        follow_links: Whether it may be a symbolic link to a plain file.
    """
    with opened_content(path, follow_links=follow_links) as file:
        return file.read(most + 1) if most >= 0 else file.read()


def content_sha256(path: Path) -> str:
    """Return the SHA-256 of the content of a file, sealed or not; raises as `plain_content` does."""
    content = plain_content(path)
    return sha256_of(path) if content is None else digest(content)


def _keys(path: Path, named: KeySource | None) -> Iterator[bytes]:
    if named is not None and named != KeySource():
        yield named.read(of=OF) or b""
        return
    inside = path.absolute().parents
    if other := next((each for each in _keys_of_others if each in map(os.path.realpath, inside)), None):
        if (key := _keys_of_others[other]) is not None:
            yield key
        return
    for root in filter(_is_opened, roots_near(path)):
        try:
            key = _key_of(root)
        except (SettingsError, KeySourceError):
            if root in inside:
                raise
            continue  # what is wrong with another workspace says nothing of this file
        if key is not None:
            yield key


def _key_of(root: Path) -> bytes | None:
    return settings_in_force(root).encryption.source.read(root, of=OF)


def _is_opened(folder: Path) -> bool:
    """Whether a folder is that of a workspace which this process has opened; one of backups has no settings."""
    return is_root(folder) and (folder / SETTINGS_NAME).is_file()


def _known_derivation(root: Path) -> KeyDerivation | None:
    try:
        return decode_json(read_file(root / _PLACE), type=KeyDerivation)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise SealedFileError(f"{root / _PLACE} cannot be read: {error}. Restore it from a backup.") from None
