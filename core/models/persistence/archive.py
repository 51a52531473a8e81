"""Arrays in one file, and files in one folder: plain formats without code, the same bytes for the same content."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.arrays import AnyArray
from core.files import digest, make_folder, write_file
from core.models.errors import ArtifactError
from core.plain_files import read_file

HEADER = "model.json"
FORMAT = 1
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
                entry.removesuffix(".npy"): np.load(io.BytesIO(archive.read(entry)), allow_pickle=False)
                for entry in archive.namelist()
            }
    except (zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
        raise ArtifactError(f"{name} is damaged: {error}") from error


def write_model(folder: Path, header: Mapping[str, Any], files: Mapping[str, bytes]) -> list[Path]:
    """Write a model's files and, last, the header that lists them with size and SHA-256.

    Returns:
        Every path written, the header first.
    """
    make_folder(folder)
    listed = {name: {"sha256": digest(content), "n_bytes": len(content)} for name, content in sorted(files.items())}
    text = json.dumps({"format": FORMAT, **header, "files": listed}, indent=2, sort_keys=True, allow_nan=False)
    for name, content in {**dict(sorted(files.items())), HEADER: f"{text}\n".encode()}.items():
        write_file(folder / name, content, durable=False)  # a permanent save writes a whole folder
    return [folder / HEADER, *(folder / name for name in listed)]


def read_model(folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read what `write_model` wrote, checking every file against the header before using any.

    Raises:
        ArtifactError: A file is missing or differs from the header, or the header itself cannot be read.
    """
    try:
        header = json.loads(read_file(folder / HEADER))
        listed = {str(name): dict(entry) for name, entry in header["files"].items()}
        if header["format"] != FORMAT:
            raise ArtifactError(f"{folder / HEADER} has format {header['format']}; this release reads {FORMAT}")
    except OSError as error:
        raise ArtifactError(f"{folder / HEADER} is not a readable model header: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{folder / HEADER} is not a readable model header: {error!r}") from error
    files: dict[str, bytes] = {}
    for name, entry in listed.items():
        if Path(name).name != name:
            raise ArtifactError(f"{folder / HEADER} lists a file outside its folder: {name!r}")
        try:
            content = read_file(folder / name)
        except OSError as error:
            raise ArtifactError(
                f"{folder / name} is listed in {HEADER} but cannot be read: {error.strerror or error}"
            ) from error
        if digest(content) != entry.get("sha256"):
            raise ArtifactError(f"{folder / name} is not the saved file: its SHA-256 differs from {HEADER}")
        files[name] = content
    return header, files
