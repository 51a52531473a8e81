"""Tables and sentences of the command line: whole in a pipe, within its width in a terminal."""

import io
import os

import pytest

from console.cli.output import print_sentences, print_table

ROWS = [
    {"at": "10:00", "reason": "errors: 9 of 100 against 1 of 1,900, shown to be more frequent than that"},
    {"at": "10:01", "reason": "short"},
]
FINDING = {"problem": "it is not whole: the file ends in the middle of a word", "cure": "restore  it"}


class Terminal(io.StringIO):
    """Standard output that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def printed(monkeypatch):
    def within(columns: int | None, what) -> list[str]:
        out = io.StringIO() if columns is None else Terminal()
        monkeypatch.setattr("sys.stdout", out)
        monkeypatch.setattr("shutil.get_terminal_size", lambda *_, **__: os.terminal_size((columns or 80, 24)))
        what()
        return out.getvalue().splitlines()

    return within


def a_table() -> None:
    print_table(ROWS, ("at", "reason"), empty="")


def findings() -> None:
    print_sentences("state/registry.json", FINDING)


def test_a_long_last_column_wraps_below_itself_in_a_terminal(printed):
    lines = printed(40, a_table)
    assert lines == [
        "AT     REASON",
        "10:00  errors: 9 of 100 against 1 of",
        "       1,900, shown to be more frequent",
        "       than that",
        "10:01  short",
    ]


@pytest.mark.parametrize("columns", [None, 200, 20], ids=["pipe", "room for all", "no room for a sentence"])
def test_otherwise_a_row_is_a_line(printed, columns):
    lines = printed(columns, a_table)
    assert lines == ["AT     REASON", *(f"{row['at']}  {row['reason']}" for row in ROWS)]


def test_named_sentences_stay_within_the_terminal(printed):
    assert printed(40, findings) == [
        "state/registry.json",
        "  problem  it is not whole: the file",
        "           ends in the middle of a word",
        "  cure     restore  it",
    ]


def test_in_a_pipe_a_sentence_is_a_line(printed):
    assert printed(None, findings)[1] == f"  problem  {FINDING['problem']}"
