"""Sealed files: what was written is read, or the file is refused; another key needs a new header alone."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.sealed_files import (
    MAGIC,
    AnotherSealKeyError,
    FileSealer,
    SealedFileError,
    derivation_of,
    is_sealed,
    new_sealed_file,
    open_unsealed,
    seal,
    sealer_of,
    unsealed_content,
    with_another_key,
)

PIECE = 1 << 20
SEALER = sealer_of(b"the key of these tests")
OTHER = sealer_of(b"another key of these tests")


def known(_: object) -> FileSealer:
    return SEALER


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 7])
def test_what_was_sealed_is_read_again_whole_and_by_pieces(tmp_path: Path, size: int) -> None:
    content, file = bytes(range(251)) * (size // 251) + b"x" * (size % 251), tmp_path / "f"
    with new_sealed_file(file, SEALER) as sealed:
        for start in range(0, size, 300_007):  # no divisor of a piece
            sealed.write(content[start : start + 300_007])
    assert unsealed_content(file, known) == content
    with open_unsealed(file, known) as opened:
        assert b"".join(iter(opened.read, b"")) == content
    assert is_sealed(file)
    assert size < 64 or content[:64] not in file.read_bytes()


def test_a_file_that_is_not_sealed_is_read_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(MAGIC[:-1])
    assert unsealed_content(file, known) is None
    assert derivation_of(file) is None
    with open_unsealed(file, known) as opened:
        assert opened.read() == MAGIC[:-1]


def test_equal_contents_are_sealed_differently() -> None:
    assert seal(b"one", SEALER) != seal(b"one", SEALER)


WHOLE = seal(b"a" * (2 * PIECE + 5), SEALER)
BODY = len(MAGIC) + 4 + int.from_bytes(WHOLE[len(MAGIC) : len(MAGIC) + 4])
SEALED_PIECE = PIECE + 16


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(WHOLE[:-1], id="its last byte is missing"),
        pytest.param(WHOLE[: BODY + SEALED_PIECE], id="cut between pieces"),
        pytest.param(WHOLE[:BODY], id="cut behind the header"),
        pytest.param(WHOLE[: len(MAGIC) + 20], id="cut in the header"),
        pytest.param(WHOLE[: len(MAGIC)], id="no header"),
        pytest.param(WHOLE + b"x", id="continued"),
        pytest.param(WHOLE[:-9] + bytes([WHOLE[-9] ^ 1]) + WHOLE[-8:], id="a bit is changed"),
        pytest.param(
            WHOLE[:BODY]
            + WHOLE[BODY + SEALED_PIECE : BODY + 2 * SEALED_PIECE]
            + WHOLE[BODY : BODY + SEALED_PIECE]
            + WHOLE[BODY + 2 * SEALED_PIECE :],
            id="two pieces change places",
        ),
        pytest.param(seal(b"b", SEALER)[:BODY] + WHOLE[BODY:], id="the header of another file"),
        pytest.param(WHOLE.replace(b'"n":32768', b'"n":99999999'), id="a derivation that takes all memory"),
        pytest.param(WHOLE.replace(b'"p":1', b'"p":9' + b"9" * 9), id="a derivation that takes all day"),
        pytest.param(WHOLE.replace(b'"n":32768', b'"n":-1'), id="a derivation that there is not"),
        pytest.param(WHOLE.replace(b'"check":"', b'"check":"\xc3\xa4'), id="a check that is no hash"),
    ],
)
def test_a_changed_file_is_refused(tmp_path: Path, damaged: bytes) -> None:
    file = tmp_path / "f"
    file.write_bytes(damaged)
    with pytest.raises((SealedFileError, ValueError), match=r"changed|cut short|memory|cannot be used|is no hash"):
        unsealed_content(file, lambda found: sealer_of(b"the key of these tests", found))


def test_another_key_is_told_from_damage(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(WHOLE)
    with pytest.raises(AnotherSealKeyError):
        unsealed_content(file, lambda found: sealer_of(b"another key of these tests", found))


def test_under_a_new_key_the_sealed_content_stays_and_the_former_key_reads_it_no_more(tmp_path: Path) -> None:
    file, out = tmp_path / "f", io.BytesIO()
    file.write_bytes(WHOLE)
    with_another_key(file, out, SEALER, OTHER)
    assert out.getvalue()[-2 * PIECE :] == WHOLE[-2 * PIECE :]
    file.write_bytes(out.getvalue())
    assert unsealed_content(file, lambda _: OTHER) == b"a" * (2 * PIECE + 5)
    assert derivation_of(file) == OTHER.derivation
    with pytest.raises(AnotherSealKeyError):
        unsealed_content(file, lambda found: sealer_of(b"the key of these tests", found))


def test_an_interrupted_write_leaves_nothing_that_could_be_read(tmp_path: Path) -> None:
    file = tmp_path / "f"

    def pieces() -> Iterator[bytes]:
        yield b"a" * (2 * PIECE)
        raise RuntimeError

    with pytest.raises(RuntimeError), new_sealed_file(file, SEALER) as sealed:
        sealed.writelines(pieces())
    with pytest.raises(SealedFileError, match="cut short"):
        unsealed_content(file, known)
