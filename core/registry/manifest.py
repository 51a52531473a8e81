"""`MANIFEST.json`: the SHA-256 and size of every file of an artifact, and the check of a folder against it.

The manifest is canonical bytes of content alone, with no clock and no host in it: two trainings that compute the same
files have the same manifest. Its own SHA-256 is kept in the registry's database.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from core.files import digest, sha256_of
from core.json_documents import decode_json
from core.plain_files import open_regular
from core.sealed_files import DAMAGED_SEAL, is_unsealing
from core.settings.sealing import opened_content

MANIFEST_NAME = "MANIFEST.json"
_UNREAD = " cannot be read ("


class ManifestFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The hash and size of one file when it was registered."""

    sha256: str
    size: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every file of an artifact by its path inside the folder, except the manifest itself."""

    files: dict[str, ManifestFile]

    @property
    def n_bytes(self) -> int:
        """The size of all files together."""
        return sum(file.size for file in self.files.values())

    def to_bytes(self) -> bytes:
        """Return the canonical bytes of this manifest."""
        return msgspec.json.format(msgspec.json.encode(self, order="deterministic"), indent=2) + b"\n"


def walk(folder: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield every entry below a folder that is not a folder, with its relative path, sorted; follow no link."""
    pending = [(folder, "")]
    while pending:
        place, prefix = pending.pop()
        with os.scandir(place) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                name = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    pending.append((Path(entry.path), name + "/"))
                else:
                    yield name, entry


def check(folder: Path, manifest_sha256: str) -> list[str]:
    """Hash every file of an artifact again and compare it with the manifest.

    Args:
        folder: The artifact.
        manifest_sha256: The hash of the manifest in the registry's database.
    Returns:
        One clause per problem, naming the file; empty if everything is as registered.
    """
    try:
        if folder.is_symlink() or not folder.is_dir():
            return ["the folder is missing"]
    except OSError as error:
        return [f"the folder cannot be read ({error.strerror or error})"]
    try:
        with open_regular(folder / MANIFEST_NAME) as file:
            content = file.read()
    except OSError:
        return [f"{MANIFEST_NAME} is missing or cannot be read"]
    if digest(content) != manifest_sha256:
        return [f"{MANIFEST_NAME} was changed"]
    try:
        expected = decode_json(content, type=Manifest).files
    except msgspec.DecodeError:
        return [f"{MANIFEST_NAME} is not a manifest"]
    try:
        return _differences(folder, expected)
    except OSError as error:
        return [f"{error.filename or folder} cannot be listed ({error.strerror or error})"]


def is_unread(problems: Sequence[str]) -> bool:
    """Say whether problems of `check` are of files that could not be opened, so that nothing shows a change of them.

    >>> is_unread(["model.json cannot be read (it is sealed with another key)"]), is_unread(["model.json was changed"])
    (True, False)
    """
    return bool(problems) and all(_UNREAD in each and DAMAGED_SEAL not in each for each in problems)


def _differences(folder: Path, expected: Mapping[str, ManifestFile]) -> list[str]:
    problems = []
    present = set()
    for name, entry in walk(folder):
        if name == MANIFEST_NAME:
            continue
        present.add(name)
        if name not in expected:
            problems.append(f"{name} was added")
        elif not entry.is_file(follow_symlinks=False):
            problems.append(f"{name} was replaced by something that is not a plain file")
        elif problem := content_problem(folder / name, expected[name]):
            problems.append(f"{name} {problem}")
    problems += [f"{name} is missing" for name in expected if name not in present]
    return problems


def content_problem(path: Path, expected: ManifestFile) -> str | None:
    """Say why a file is not the registered one; None if it is."""
    try:
        with opened_content(path) as file:
            size = expected.size if is_unsealing(file) else os.fstat(file.fileno()).st_size
            if size != expected.size:
                return f"has {size:,} bytes instead of {expected.size:,}"
            if sha256_of(file) != expected.sha256:
                return "was changed"
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    return None


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of an artifact without checking the files.

    Raises:
        OSError: The manifest is missing or cannot be read.
        msgspec.DecodeError: It is not a manifest.
    """
    with open_regular(folder / MANIFEST_NAME) as file:
        return decode_json(file.read(), type=Manifest)
