import gzip
import json
import tracemalloc
from itertools import count

import pytest

import core.training.epoch_reports as module
from core.training.epoch_reports import EpochReports
from tests.processes import dies


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "epochs"


@pytest.fixture
def reports(folder, monkeypatch):
    monkeypatch.setattr("core.training.epoch_reports.SEGMENT_EPOCHS", 10)
    return EpochReports(folder)


def report(epoch, size=300):
    return json.dumps({"gates": "x" * size, "epoch": epoch}).encode()


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_ten_epochs_share_a_file_and_full_files_are_packed(reports, folder):
    for epoch in range(1, 25):
        reports.write(epoch, report(epoch))
    names = ["epochs_000001.jsonl.gz", "epochs_000011.jsonl.gz", "epochs_000021.jsonl"]
    assert sorted(content(folder)) == names
    assert [reports.read(epoch) for epoch in range(1, 25)] == [report(epoch) for epoch in range(1, 25)]
    assert reports.read(25) is None
    lines = gzip.decompress((folder / names[0]).read_bytes()).splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [*range(1, 11)]


def test_the_last_file_before_a_million_epochs_is_packed_as_well(reports, folder):
    for epoch in range(999_999, 1_000_003):
        reports.write(epoch, report(epoch))
    assert sorted(content(folder)) == ["epochs_1000001.jsonl", "epochs_999991.jsonl.gz"]
    assert [reports.read(epoch) for epoch in range(999_999, 1_000_003)] == [
        report(epoch) for epoch in range(999_999, 1_000_003)
    ]


def test_a_reader_sees_what_another_writes(reports, folder):
    reader = EpochReports(folder)
    for epoch in range(1, 13):
        assert reader.read(epoch) is None
        reports.write(epoch, report(epoch))
        assert reader.read(epoch) == report(epoch)


def test_a_reader_that_follows_a_session_holds_the_places_of_its_reports_and_not_the_reports(folder):
    reports, reader = EpochReports(folder), EpochReports(folder)
    size = 20_000
    tracemalloc.start()
    try:
        for epoch in range(1, 101):
            reports.write(epoch, report(epoch, size))
            assert reader.read(epoch) == report(epoch, size)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 10 * size
    assert [reader.read(epoch) for epoch in (1, 50, 100)] == [report(epoch, size) for epoch in (1, 50, 100)]


def test_a_reader_notices_a_report_that_is_repeated_while_it_reads(reports, folder, monkeypatch):
    for epoch in (1, 2):
        reports.write(epoch, report(epoch))
    looks = []

    def look(stream, as_it_is=module._mark):
        looks.append(stream)
        if len(looks) == 2:  # after the line was read
            EpochReports(folder).write(2, report(2, 500))
        return as_it_is(stream)

    monkeypatch.setattr(module, "_mark", look)
    assert EpochReports(folder).read(2) == report(2, 500)


@pytest.mark.parametrize("again", [24, 22, 21, 20, 15, 10, 3])
def test_an_epoch_that_is_repeated_leaves_the_same_bytes(reports, folder, again):
    for epoch in range(1, 25):
        reports.write(epoch, report(epoch))
    expected = content(folder)
    for epoch in range(again, 25):
        reports.write(epoch, report(epoch))
        assert reports.read(epoch) == report(epoch)
    assert content(folder) == expected


def test_a_line_that_a_crash_cut_short_is_replaced(reports, folder):
    reports.write(1, report(1))
    with (folder / "epochs_000001.jsonl").open("ab") as file:
        file.write(report(2)[:50])
    assert reports.read(2) is None
    reports.write(2, report(2))
    assert reports.read(2) == report(2)
    assert (folder / "epochs_000001.jsonl").read_bytes() == report(1) + b"\n" + report(2) + b"\n"


def test_reports_longer_than_a_look_at_the_end_are_continued(reports):
    for epoch in (1, 2, 3, 2, 3):
        reports.write(epoch, report(epoch, size=200_000))
    assert [reports.read(epoch) for epoch in (1, 2, 3)] == [report(epoch, size=200_000) for epoch in (1, 2, 3)]


def test_a_folder_of_an_earlier_release_stays_readable_and_is_continued(reports, folder):
    folder.mkdir()
    (folder / "epoch_0001.json").write_bytes(report(1))
    reports.write(2, report(2))
    assert [reports.read(epoch) for epoch in (1, 2, 3)] == [report(1), report(2), None]


def test_a_file_that_an_editor_rewrote_is_read_again(reports, folder):
    for epoch in (1, 2):
        reports.write(epoch, report(epoch))
    assert reports.read(2) == report(2)
    (folder / "epochs_000001.jsonl").write_bytes(report(1, size=9) + b"\n" + report(2, size=8) + b"\n")
    assert reports.read(1) == report(1, size=9)


@pytest.mark.crash
def test_kill_9_while_reports_are_written_loses_no_written_report(reports, folder, tmp_path):
    done = tmp_path / "done"

    def write_some() -> None:
        written = done.read_text().split() if done.exists() else []
        for epoch in range(max(1, len(written)), 23):  # the last epoch again, as a session that resumes does
            reports.write(epoch, report(epoch))
            done.write_text(" ".join(map(str, range(1, epoch + 1))))

    for point in count(1):
        was_killed = dies(point, write_some)
        n_written = len(done.read_text().split()) if done.exists() else 0
        fresh = EpochReports(folder)
        assert all(fresh.read(epoch) == report(epoch) for epoch in range(1, n_written + 1))
        if not was_killed:
            break
    assert point > 10
    EpochReports(folder).write(21, report(21))
    assert sorted(content(folder)) == ["epochs_000001.jsonl.gz", "epochs_000011.jsonl.gz", "epochs_000021.jsonl"]


def test_nothing_is_packed_through_a_link(reports, folder, tmp_path, caplog):
    (tmp_path / "victim").mkdir()
    folder.symlink_to(tmp_path / "victim")
    (folder / "epochs_000000.jsonl").write_text("{}")
    reports.write(1, report(1))
    assert "not packed" in caplog.text
    assert sorted(content(folder)) == ["epochs_000000.jsonl", "epochs_000001.jsonl"]
