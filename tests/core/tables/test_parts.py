"""Files cut into parts: together they hold every row once, and an error in a part names its place in the file."""

import os

import numpy as np
import pandas as pd
import pytest

from core.tables import ReadingRules, TableError, limits, parts, read_table, source
from core.tables.parts import as_plain, from_plain, names_files, parted, read_part, size_of


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(parts, "PART_BYTES", 200)
    monkeypatch.setattr(limits, "MOST_LINE_BYTES", 100)


@pytest.fixture
def rows():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"size": rng.normal(size=60).round(3), "word": rng.choice(["a", "b", "c, d"], 60)})
    frame.loc[7, "word"] = 'says "so"\nhere'
    return frame


def read(table):
    return pd.concat([read_part(part, ReadingRules()).frame.astype({"word": str}) for part in table.parts])


def test_the_parts_of_a_text_hold_every_row_once_and_break_no_quoted_cell(rows, tmp_path, small_parts):
    file = tmp_path / "own.csv"
    file.write_text("# a comment\n" + rows.to_csv(index=False))

    table = parted(file)

    assert len(table.parts) == 3
    whole = read_table(file)
    assert read(table).reset_index(drop=True).equals(whole.frame.astype({"word": str}))
    assert table.sha256 == whole.source.sha256


def test_a_carriage_return_in_the_header_repeats_no_row_in_the_parts(rows, tmp_path, small_parts):
    file = tmp_path / "own.csv"
    content = '\ufeff"size\r(m)",word\r\n' + rows.to_csv(index=False, header=False)
    file.write_bytes(content.encode())

    table = parted(file)

    assert len(table.parts) == 3
    assert read(table).reset_index(drop=True).equals(read_table(file).frame.astype({"word": str}))


def test_a_quote_within_a_cell_opens_none_and_no_row_is_cut_because_of_it(rows, tmp_path, small_parts):
    rows["size"] = np.arange(60)
    rows.loc[3, "word"] = "inch"
    file = tmp_path / "own.csv"
    file.write_text(rows.to_csv(index=False).replace("inch", '5" pipe'))

    table = parted(file)

    assert len(table.parts) > 1
    assert read(table).reset_index(drop=True).equals(read_table(file).frame.astype({"word": str}))


def test_a_quote_that_is_never_closed_is_refused_before_a_worker_reads_on(rows, tmp_path, small_parts, monkeypatch):
    monkeypatch.setattr(parts, "_MOST_ROW_BYTES", 300)
    file = tmp_path / "own.csv"
    file.write_text("size,word\n" + "1,a\n" * 40 + '2,"b\n' + "3,c\n" * 200)

    with pytest.raises(TableError, match=r"own\.csv, line 42: a quote is opened and never closed"):
        parted(file)


def test_the_parts_of_parquet_are_runs_of_row_groups(rows, tmp_path, small_parts):
    file = tmp_path / "own.parquet"
    rows.to_parquet(file, row_group_size=20)

    table = parted(file)

    assert [(part.part.start, part.part.end, part.part.before) for part in table.parts] == [
        (0, 1, 0),
        (1, 2, 20),
        (2, 3, 40),
    ]
    assert read(table).reset_index(drop=True).equals(read_table(file).frame.astype({"word": str}))
    assert read_part(table.parts[1], ReadingRules()).place(3) == "row 23"


def test_a_row_group_that_no_worker_should_read_at_once_is_refused(rows, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MOST_CELLS", 50)
    rows.to_parquet(tmp_path / "own.parquet", row_group_size=30)

    with pytest.raises(
        TableError, match=r"its row group 0 has 30 rows of 2 columns, .* Write it in smaller row groups"
    ):
        parted(tmp_path / "own.parquet")


@pytest.mark.parametrize("bad", [5, 40])
def test_an_error_in_a_part_names_its_line_in_the_file(bad, rows, tmp_path, small_parts):
    file = tmp_path / "own.csv"
    lines = rows.to_csv(index=False).splitlines(keepends=True)
    lines[bad] = "1,2,3\n"
    file.write_text("".join(lines))

    with pytest.raises(TableError, match=rf"own\.csv, line {bad + 1}: 3 cells where the header has 2"):
        read(parted(file))


def test_a_folder_and_a_pattern_name_files_in_order(rows, tmp_path):
    for k in (2, 1):
        rows.iloc[30 * (k - 1) : 30 * k].to_csv(tmp_path / f"part-{k}.csv", index=False)
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / "notes.md").touch()

    folder, pattern = parted(tmp_path), parted(tmp_path / "part-*.csv")

    assert names_files(tmp_path)
    assert [part.path.name for part in folder.parts] == ["part-1.csv", "part-2.csv"]
    assert folder.parts == pattern.parts
    assert read(folder)["size"].tolist() == rows["size"].tolist()


def test_what_cannot_be_cut_is_refused(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"x": 1}\n')
    (tmp_path / "b.csv.gz").write_bytes(b"\x1f\x8b")
    (tmp_path / "empty").mkdir()

    with pytest.raises(TableError, match="JSON lines are read in memory alone"):
        parted(tmp_path / "a.jsonl")
    with pytest.raises(TableError, match="a gzipped file is read in memory alone"):
        parted(tmp_path / "b.csv.gz")
    with pytest.raises(TableError, match="there is no file of a table"):
        parted(tmp_path / "empty")
    with pytest.raises(TableError, match="there is no file of a table"):
        parted(tmp_path / "*.parquet")
    assert size_of(tmp_path / "a.jsonl") is None


def test_a_header_without_rows_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n")

    with pytest.raises(TableError, match="it has a header, but no rows"):
        parted(tmp_path / "a.csv")


def test_many_blank_lines_are_in_no_part(tmp_path, small_parts):
    file = tmp_path / "own.csv"
    file.write_text("size,word\n" + "\n" * 5_000 + "1,a\n" * 60 + "\n" * 5_000 + "2,b\n" * 59 + "2,b,c\n")

    table = parted(file)

    assert all(part.part.end - part.part.start < 600 for part in table.parts)
    with pytest.raises(TableError, match=r"own\.csv, line 10121: 3 cells where the header has 2"):
        read(table)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("before", "within", "after"),
    [pytest.param(60, 0, 0, id="first"), pytest.param(0, 60, 0, id="within"), pytest.param(0, 0, 300, id="last")],
)
def test_blank_lines_make_no_part_of_their_own(before, within, after, end, tmp_path, small_parts):
    file = tmp_path / "own.csv"
    rows = [f"{k},a{end}" for k in range(80)]
    file.write_bytes("".join([f"size,word{end}", end * before, *rows, end * within, *rows, end * after]).encode())

    table = parted(file)

    assert len(table.parts) > 2
    assert read(table).reset_index(drop=True).equals(read_table(file).frame.astype({"word": str}))
    assert table.sha256 == read_table(file).source.sha256


def test_a_line_is_named_in_a_part_after_blank_lines(tmp_path, small_parts):
    file = tmp_path / "own.csv"
    file.write_text("size,word\n" + "1,a\n" * 60 + "\n" * 250 + "1,a\n" * 60 + "1,2,3\n")

    with pytest.raises(TableError, match=r"own\.csv, line 372: 3 cells where the header has 2"):
        read(parted(file))


def test_the_blank_lines_of_a_single_column_are_empty_cells_in_every_part(tmp_path, small_parts):
    file = tmp_path / "own.csv"
    file.write_text("x\n" + "1\n" * 60 + "\n" * 450 + "2\n" * 60)

    found = [read_part(part, ReadingRules()).frame for part in parted(file).parts]

    assert len(found) > 2
    assert pd.concat(found).reset_index(drop=True).equals(read_table(file).frame)


def test_files_without_rows_are_left_out_of_a_folder_and_the_table_says_so(rows, tmp_path):
    rows.to_csv(tmp_path / "b.csv", index=False)
    (tmp_path / "a.csv").write_text("size,word\n")
    (tmp_path / "c.csv").touch()
    (tmp_path / "d.csv").write_text("\ufeff\r\n \r\n")
    only = parted(tmp_path / "b.csv")

    table = parted(tmp_path)

    assert table.parts == only.parts
    assert table.notes == ("3 of 4 files are left out, because they have no rows: a.csv, c.csv, d.csv.",)
    assert only.notes == ()


def test_rows_after_many_blank_lines_are_not_left_out_for_want_of_a_header(rows, tmp_path):
    rows.to_csv(tmp_path / "b.csv", index=False)
    (tmp_path / "a.csv").write_text("\n" * 300 + "size,word\n1,a\n")

    with pytest.raises(TableError, match=r"a\.csv: its first line is empty"):
        parted(tmp_path)


def test_what_lies_beside_the_files_of_a_table_is_named(rows, tmp_path):
    rows.to_csv(tmp_path / "a.csv", index=False)
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / ".hidden.csv").touch()
    (tmp_path / "b.xlsx").touch()
    (tmp_path / "2026").mkdir()
    (tmp_path / "old\n.csv").mkdir()

    assert parted(tmp_path).notes == (r"Beside the files of the table, these are not read: 2026, b.xlsx, old\n.csv.",)
    assert parted(tmp_path / "*.csv").notes == (r"Beside the files of the table, these are not read: old\n.csv.",)


def test_two_stars_stand_for_folders_of_any_depth_but_for_those_of_a_job_under_way(rows, tmp_path):
    for name in ("a.csv", "2026/b.csv", "2026/01/c.csv", "_temporary/0/d.csv", "2026/_old/e.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        rows.to_csv(tmp_path / name, index=False)

    names = [part.path.name for part in parted(tmp_path / "**" / "*.csv").parts]

    assert names == ["c.csv", "b.csv", "a.csv"], "in the order of their paths"
    assert [part.path.name for part in parted(tmp_path / "_temporary" / "*" / "*.csv").parts] == ["d.csv"]


def test_a_file_of_a_folder_that_cannot_be_read_is_refused_and_not_left_out(rows, tmp_path):
    rows.to_csv(tmp_path / "a.csv", index=False)
    file = tmp_path / "b.csv"
    file.symlink_to(tmp_path / "nowhere")
    with pytest.raises(TableError, match=r"b\.csv: there is no such file"):
        parted(tmp_path)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(TableError, match=r"b\.csv: it is not a regular file\. Copy what it holds to a file"):
        parted(tmp_path)


@pytest.mark.parametrize(("name", "shown"), [(b"b\xff.csv", r"b\\udcff"), (b"b\n.csv", r"b\\n")])
def test_a_name_that_no_terminal_shows_is_refused_in_a_folder_as_on_the_command_line(name, shown, rows, tmp_path):
    rows.to_csv(tmp_path / "a.csv", index=False)
    with open(os.fsencode(tmp_path) + b"/" + name, "wb") as file:
        file.write(b"size,word\n1,a\n")

    with pytest.raises(TableError, match=rf"its file {shown}\.csv holds characters that no terminal shows"):
        parted(tmp_path)


def test_a_path_that_no_file_can_have_names_no_files_and_is_refused(tmp_path):
    path = tmp_path / ("x" * 300)

    assert not names_files(path)
    with pytest.raises(TableError, match="it cannot be read \\(File name too long\\)"):
        parted(path)


@pytest.mark.parametrize("step", ["cut", "read"])
def test_a_file_that_vanishes_while_it_is_read_is_a_fault_of_the_table(step, rows, tmp_path, monkeypatch):
    rows.to_csv(tmp_path / "own.csv", index=False)
    (part,) = parted(tmp_path / "own.csv").parts

    def gone(path):
        raise FileNotFoundError(2, "No such file or directory", str(path))

    monkeypatch.setattr(parts if step == "cut" else source, "open_plain", gone)
    with pytest.raises(TableError, match=r"own\.csv: it cannot be read \(No such file or directory\)"):
        parted(tmp_path / "own.csv") if step == "cut" else read_part(part, ReadingRules())


def test_row_groups_without_rows_are_left_out_of_a_folder(rows, tmp_path):
    rows.to_parquet(tmp_path / "a.parquet")
    rows.head(0).to_parquet(tmp_path / "b.parquet")

    assert [part.path.name for part in parted(tmp_path).parts] == ["a.parquet"]
    with pytest.raises(TableError, match="it has columns, but no rows"):
        parted(tmp_path / "b.parquet")


def test_a_folder_without_a_row_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n")
    (tmp_path / "b.csv").touch()

    with pytest.raises(TableError, match="none of its 2 files has a row"):
        parted(tmp_path)


def test_a_worker_refuses_a_file_that_changed_or_is_not_there(rows, tmp_path):
    file = tmp_path / "own.csv"
    rows.to_csv(file, index=False)
    (told,) = (as_plain(part) for part in parted(file).parts)

    assert from_plain(told).part.end == file.stat().st_size
    file.write_text("size,word\n1,a\n")
    with pytest.raises(TableError, match="it has changed since it was cut"):
        from_plain(told)
    file.unlink()
    with pytest.raises(TableError, match="a worker of the cluster cannot read it"):
        from_plain(told)


def test_a_file_that_a_worker_finds_and_may_not_read_is_refused_in_words(rows, tmp_path, monkeypatch):
    rows.to_csv(tmp_path / "own.csv", index=False)
    (told,) = (as_plain(part) for part in parted(tmp_path / "own.csv").parts)

    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(parts, "open_plain", refused)
    with pytest.raises(
        TableError, match=r"a worker of the cluster cannot read it\. .* under this path, and may read it"
    ):
        from_plain(told)


def test_the_size_of_a_file_is_known_without_reading_it(rows, tmp_path):
    rows.to_parquet(tmp_path / "own.parquet")
    rows.to_csv(tmp_path / "own.csv", index=False)

    assert size_of(tmp_path / "own.parquet").n_cells == 120
    assert size_of(tmp_path / "own.csv").n_bytes == (tmp_path / "own.csv").stat().st_size
