"""What a model writes and reads stays in its folder, and a small file asks for no large memory."""

import io
import json

import numpy as np
import pytest

from core.files import digest
from core.models.errors import ArtifactError
from core.models.persistence.archive import HEADER, read_model, unpack_arrays, write_archive, write_model

HEADING = {"model": "spread"}
FILES = {"trees.txt": b"tree\n"}


def claiming(shape):
    """An archive with an array of four bytes that claims a shape."""
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return write_archive({"weights.npy": content.getvalue() + b"1234"})


@pytest.mark.parametrize("shape", [(1 << 50,), (1 << 20, 1 << 20), (2,)])
def test_a_shape_without_its_numbers_is_refused_before_memory_is_reserved(shape):
    with pytest.raises(
        ArtifactError, match=r"arrays\.npz, weights\.npy, is damaged: it has another size than its shape"
    ):
        unpack_arrays(claiming(shape), name="arrays.npz")


@pytest.mark.parametrize("name", ["../escaped.txt", "/tmp/escaped.txt", "a/b.txt", "..", "", HEADER])
def test_a_save_writes_nothing_outside_its_folder(tmp_path, name):
    with pytest.raises(ArtifactError, match="a model cannot write"):
        write_model(tmp_path / "saved", HEADING, {name: b"x"})
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("name", ["trees.txt", HEADER])
def test_a_save_follows_and_replaces_no_link(tmp_path, name):
    (tmp_path / "other").write_bytes(b"{}")
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / name).symlink_to(tmp_path / "other")
    with pytest.raises(ArtifactError, match=r"is a link, which no save of a model wrote"):
        write_model(folder, HEADING, FILES)
    assert ((tmp_path / "other").read_bytes(), len(list(folder.iterdir()))) == (b"{}", 1)


def test_a_save_replaces_an_earlier_one_and_no_file_of_another_program(tmp_path):
    write_model(tmp_path, HEADING, FILES)
    write_model(tmp_path, HEADING, {"trees.txt": b"more\n"})
    assert read_model(tmp_path)[1] == {"trees.txt": b"more\n"}
    (tmp_path / HEADER).write_text('{"weights": "of another program"}')
    with pytest.raises(ArtifactError, match="was written by another program"):
        write_model(tmp_path, HEADING, FILES)


def test_a_load_follows_no_link_and_survives_deep_nesting(tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"secret")
    folder = tmp_path / "saved"
    write_model(folder, HEADING, FILES)
    listed = {"trees.txt": {"sha256": digest(b"secret"), "n_bytes": 6}}
    header = json.loads((folder / HEADER).read_text())
    (folder / HEADER).write_text(json.dumps({**header, "files": listed}))
    (folder / "trees.txt").unlink()
    (folder / "trees.txt").symlink_to(outside)
    with pytest.raises(ArtifactError, match=r"trees\.txt is listed in model\.json but cannot be read"):
        read_model(folder)
    (folder / HEADER).write_text("[" * 100_000)
    with pytest.raises(ArtifactError, match="is not a readable model header"):
        read_model(folder)
