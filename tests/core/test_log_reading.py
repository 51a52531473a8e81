"""The logs of a workspace read as one: newest lines, growth, rotation, severity, hostile content, bounded memory."""

import fcntl
import logging
import os
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import log_reading
from core.log_file import LogFile
from core.log_reading import LogFilter, LogReader, lines_backwards


def stamped(second: int, level: str, text: str) -> str:
    return f"2026-03-02 03:04:{second:02d},000 {level:<7} core.test: {text}\n"


def texts(lines) -> list[str]:
    return [line.text.rpartition("core.test: ")[2] for line in lines]


@pytest.fixture
def reader(tmp_path):
    opened = LogReader(tmp_path)
    yield opened
    opened.close()


@given(lines=st.lists(st.integers(0, 30), max_size=20), start=st.integers(0, 20), block=st.integers(1, 50))
def test_lines_are_read_backwards_whatever_their_lengths(tmp_path_factory, lines, start, block):
    file = tmp_path_factory.mktemp("log") / "a.log"
    content = [b"%d%s" % (number, b"x" * length) for number, length in enumerate(lines)]
    file.write_bytes(b"".join(line + b"\n" for line in content))
    first = sum(len(line) + 1 for line in content[:start])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_reading, "_BLOCK_BYTES", block)
        assert list(lines_backwards(file, first, file.stat().st_size)) == content[start:][::-1]


def test_the_newest_lines_of_all_logs_come_in_the_order_of_time(tmp_path, reader):
    (tmp_path / "engine.log").write_text(stamped(1, "INFO", "one") + stamped(3, "ERROR", "three") + "  Traceback\n")
    (tmp_path / "console.log").write_text(stamped(2, "WARNING", "two") + stamped(4, "INFO", "four"))
    assert texts(reader.newest(9)) == ["one", "two", "three", "  Traceback", "four"]
    assert texts(reader.newest(2)) == ["  Traceback", "four"]
    assert texts(reader.newest(9, LogFilter(logging.WARNING))) == ["two", "three", "  Traceback"]
    assert texts(reader.newest(1, LogFilter(text="ONE"))) == ["one"]


def test_a_log_is_followed_across_its_rotations_without_losing_or_repeating_a_line(tmp_path, reader):
    handler = LogFile(tmp_path / "engine.log", max_bytes=400, n_kept=2)
    log = logging.Logger("core.test")
    log.addHandler(handler)
    log.info("before")
    assert texts(reader.newest(9)) == ["before"]
    seen = []
    for number in range(60):
        log.info("line %d", number)
        if number % 3 == 0:
            seen += reader.poll()
    seen += reader.poll()
    handler.close()
    assert texts(seen) == [f"line {number}" for number in range(60)]
    assert texts(reader.newest(3)) == ["line 57", "line 58", "line 59"]
    assert len(reader.newest(99)) > len((tmp_path / "engine.log").read_text().splitlines())  # rotated files, too


def test_processes_that_share_a_log_rotate_it_without_losing_a_line(tmp_path):
    writers = [LogFile(tmp_path / "serve.log", max_bytes=500, n_kept=99) for _ in range(3)]
    logs = [logging.Logger(f"core.{number}") for number in range(3)]
    for log, writer in zip(logs, writers, strict=True):
        log.addHandler(writer)
    for number in range(120):
        logs[number % 3].info("line %d", number)
    for writer in writers:
        writer.close()
    files = [*tmp_path.glob("serve.log*")]
    found = sorted(int(line.rpartition(" ")[2]) for file in files for line in file.read_text().splitlines())
    assert found == [*range(120)]
    assert len(files) > 10
    assert all(file.stat().st_size <= 500 for file in files)


def test_a_log_that_another_process_rotates_now_is_written_on(tmp_path):
    writer = LogFile(tmp_path / "serve.log", max_bytes=100, n_kept=2)
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    log = logging.Logger("core.test")
    log.addHandler(writer)
    for number in range(9):
        log.info("line %d", number)
    os.close(folder)
    writer.close()
    assert [file.name for file in tmp_path.iterdir()] == ["serve.log"]
    assert "line 8" in (tmp_path / "serve.log").read_text()


def test_half_a_line_waits_for_its_end_and_a_new_log_is_noticed(tmp_path, reader):
    reader.newest(9)
    (tmp_path / "engine.log").write_text(stamped(1, "INFO", "one")[:-5])
    assert reader.poll() == []
    with (tmp_path / "engine.log").open("a") as file:
        file.write(stamped(1, "INFO", "one")[-5:])
    assert texts(reader.poll()) == ["one"]
    os.truncate(tmp_path / "engine.log", 0)
    (tmp_path / "engine.log").write_text(stamped(2, "INFO", "2"))
    assert texts(reader.poll()) == ["2"]


def test_every_line_is_escaped_and_cut(tmp_path, reader):
    (tmp_path / "trainer.log").write_bytes(b"\x1b]52;c;eA==\x07 \xff \x1b[2J\n" + b"x" * 100_000 + b"\n")
    first, second = reader.newest(9)
    assert first.text.isprintable()
    assert len(second.text) <= log_reading.MAX_LINE_CHARACTERS + 1


def test_a_million_lines_cost_bounded_memory(tmp_path, reader):
    with (tmp_path / "engine.log").open("w") as file:
        for _ in range(1000):
            file.write(stamped(1, "INFO", "x" * 40) * 1000)
    tracemalloc.start()
    assert len(reader.newest(1000)) == 1000
    assert reader.poll() == []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20  # the file has 80 MB
