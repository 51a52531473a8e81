"""Arrays in one file, and files in one folder: plain formats without code, the same bytes for the same content."""

import io
import json
import math
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import AnyArray
from core.files import digest, make_folder, write_file
from core.models.errors import ArtifactError
from core.plain_files import what_it_is
from core.settings.sealing import read_content

HEADER = "model.json"
FORMAT = 1
KIND, TEXT = "kind", "text"  # of a model of language; other headers name no kind
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date a zip can hold
MAX_UNPACKED_BYTES = 2 << 30


def write_archive(members: Mapping[str, bytes]) -> bytes:
    """Write members into an uncompressed zip without times, in the order given."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system = 3  # as on Linux, on every system
            archive.writestr(entry, content)
    return out.getvalue()


def pack_arrays(arrays: Mapping[str, AnyArray]) -> bytes:
    """Write named arrays in numpy's own `.npz` format."""
    members = {}
    for name, array in arrays.items():
        content = io.BytesIO()
        np.save(content, np.ascontiguousarray(array), allow_pickle=False)
        members[f"{name}.npy"] = content.getvalue()
    return write_archive(members)


def unpack_arrays(blob: bytes, *, name: str) -> dict[str, AnyArray]:
    """Read arrays written by `pack_arrays`.

    Raises:
        ArtifactError: The file is damaged, too large, or contains objects instead of numbers.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(blob)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_UNPACKED_BYTES:
                raise ArtifactError(f"{name} unpacks to more than {MAX_UNPACKED_BYTES >> 30} GiB")
            return {
                entry.removesuffix(".npy"): array_in(io.BytesIO(archive.read(entry)), f"{name}, {entry},")
                for entry in archive.namelist()
            }
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise ArtifactError(f"{name} is damaged: {error}") from error


def array_in(content: io.BytesIO, what: str) -> AnyArray:
    """Return the array that bytes in numpy's own format hold, without copying it: the bytes are its memory.

    Args:
        content: The bytes; nobody else may change them.
        what: What they are, for an error.
    Raises:
        ArtifactError: Their number is not what the shape says; NumPy would reserve that memory first.
        ValueError: They are no array of numbers.
    """
    version = np.lib.format.read_magic(content)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_fortran, kind = read_header(content)
    if kind.hasobject:
        raise ValueError("Object arrays cannot be loaded when allow_pickle=False")
    n_bytes = content.getbuffer().nbytes - content.tell()
    if math.prod(shape) * kind.itemsize != n_bytes:
        raise ArtifactError(f"{what} is damaged: it has another size than its shape {list(shape)}")
    if not n_bytes:
        return np.empty(shape, kind)
    found: AnyArray = np.frombuffer(content.getbuffer(), dtype=kind, offset=content.tell())
    return found.reshape(shape, order="F" if is_fortran else "C")


def write_model(folder: Path, header: Mapping[str, Any], files: Mapping[str, bytes]) -> list[Path]:
    """Write a model's files and, last, the header that lists them with size and SHA-256.

    Only files directly in the folder are written. An earlier save is replaced; anything else under one of the names
    (a link, a folder, the `model.json` of another program) is refused, before anything is written.

    Returns:
        Every path written, the header first.
    Raises:
        ArtifactError: A name leads out of the folder, or is taken by something that no save wrote.
    """
    _check_targets(folder, files)
    make_folder(folder)
    listed = {name: {"sha256": digest(content), "n_bytes": len(content)} for name, content in sorted(files.items())}
    text = json.dumps({"format": FORMAT, **header, "files": listed}, indent=2, sort_keys=True, allow_nan=False)
    for name, content in {**dict(sorted(files.items())), HEADER: f"{text}\n".encode()}.items():
        write_file(folder / name, content, durable=False)  # a permanent save writes a whole folder
    return [folder / HEADER, *(folder / name for name in listed)]


def _check_targets(folder: Path, files: Mapping[str, bytes]) -> None:
    for name in files:
        if not _is_own_name(name) or name == HEADER:
            raise ArtifactError(f"a model cannot write {name!r}: it writes files in its own folder, and {HEADER} last")
    for name in (*files, HEADER):
        try:
            mode = (folder / name).lstat().st_mode
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ArtifactError(f"{folder / name} cannot be written: {error.strerror or error}") from error
        if not stat.S_ISREG(mode):
            what = "a link" if stat.S_ISLNK(mode) else what_it_is(mode)
            raise ArtifactError(f"{folder / name} is {what}, which no save of a model wrote; choose another folder")
        if name == HEADER and not _is_ours(folder / HEADER):
            raise ArtifactError(f"{folder / HEADER} was written by another program; choose another folder")


def _is_own_name(name: str) -> bool:
    """Whether a name is that of a file directly in a folder."""
    return Path(name).name == name and name not in ("", "..") and "\0" not in name


def _is_ours(header: Path) -> bool:
    """Whether a header was written by `write_model`, of whatever release."""
    try:
        found = json.loads(_content(header))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and {"format", "files"} <= found.keys()


def _content(file: Path) -> bytes:
    """Return the content of a file that is no link, raising as `read_content` does."""
    return read_content(file)


def read_model(folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read what `write_model` wrote, checking every file against the header before using any. No link is followed.

    Raises:
        ArtifactError: A file is missing or differs from the header, or the header itself cannot be read.
    """
    header, listed = _read_header(folder)
    files: dict[str, bytes] = {}
    for name, entry in listed.items():
        if not _is_own_name(name):
            raise ArtifactError(f"{folder / HEADER} lists a file outside its folder: {name!r}")
        try:
            content = _content(folder / name)
        except OSError as error:
            raise ArtifactError(
                f"{folder / name} is listed in {HEADER} but cannot be read: {error.strerror or error}"
            ) from error
        if digest(content) != entry.get("sha256"):
            raise ArtifactError(f"{folder / name} is not the saved file: its SHA-256 differs from {HEADER}")
        files[name] = content
    return header, files


def read_header(folder: Path) -> dict[str, Any]:
    """Read only the header of what `write_model` wrote; its other files may be missing or damaged.

    Raises:
        ArtifactError: It cannot be read.
    """
    return _read_header(folder)[0]


def _read_header(folder: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Read the header, and the files that it lists."""
    try:
        header = json.loads(_content(folder / HEADER))
        listed = {str(name): dict(entry) for name, entry in header["files"].items()}
        if header["format"] != FORMAT:
            raise ArtifactError(f"{folder / HEADER} has format {header['format']}; this release reads {FORMAT}")
    except OSError as error:
        raise ArtifactError(f"{folder / HEADER} is not a readable model header: {error.strerror or error}") from error
    except KeyError as error:
        raise ArtifactError(
            f"{folder / HEADER} is not a readable model header: it was written by another program"
        ) from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError(
            f"{folder / HEADER} is not a readable model header: it is no JSON object that lists the files of a model"
        ) from error
    return header, listed
