"""The parts of a table are prepared as the whole is; what is asked for is checked before they are read again."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from core.domains.own_file import FileRequest
from core.domains.table import own_file
from core.domains.table.parted import rows, training
from core.tables import ReadingRules, TableError, Task, read_table
from core.tables.parts import parted

REQUEST = FileRequest(
    model="own",
    target="price",
    task=None,
    group=None,
    time=None,
    algorithm="auto",
    parameters={},
    test_share=0.2,
    split_seed=1,
)


class Here:
    """A cluster of this very thread."""

    def map(self, work, items):
        return [work.here(item) for item in items]

    def require_trusted_network(self):
        """There is no network."""

    def standing_workers(self):
        return [("here", None)]


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(4)
    frames = []
    for _ in range(3):
        frame = pd.DataFrame({"size": rng.normal(size=4_000).round(3), "grade": rng.choice(["A", "B"], 4_000)})
        frames.append(frame.assign(price=(2 * frame["size"] + rng.normal(size=4_000)).round(3)))
    return frames


def prepared(folder, frames, **asked):
    """Prepare files as parts, and the same rows as one file in memory."""
    place = folder / "parts"
    place.mkdir()
    for k, frame in enumerate(frames):
        frame.to_csv(place / f"{k}.csv", index=False)
    whole = folder / "whole.csv"
    pd.concat(frames).to_csv(whole, index=False)
    request = replace(REQUEST, **asked)
    found = training.prepare_parts(parted(place), ReadingRules(), request, Here())
    return found, own_file.prepare(read_table(whole), request)


def same(found, in_memory):
    return (
        found.signature == in_memory.signature
        and found.split.held.tolist() == in_memory.split.held.tolist()
        and found.frame["size"].tolist() == in_memory.frame["size"].tolist()
    )


@pytest.mark.parametrize("role", ["target", "group", "time"])
def test_a_column_that_is_not_there_is_named_as_in_memory(role, files, tmp_path):
    with pytest.raises(TableError, match=r"parts: there is no column 'cost'\. The columns are: size, grade, price\."):
        prepared(tmp_path, files, **{role: "cost"})


def test_files_may_have_their_columns_in_another_order(files, tmp_path):
    files[1] = files[1][["price", "grade", "size"]]

    assert same(*prepared(tmp_path, files))


def test_a_part_in_which_no_row_has_a_target_is_left_out_whole(files, tmp_path):
    files[2] = pd.concat([files[2], files[0]])
    files[1]["price"] = np.nan

    assert same(*prepared(tmp_path, files, drop_missing_target=True))


def test_files_without_rows_are_left_out_and_the_notes_say_so(files, tmp_path):
    files.append(files[0].head(0))

    found, in_memory = prepared(tmp_path, files)

    assert same(found, in_memory)
    assert "1 of 4 files are left out, because they have no rows: 3.csv." in found.notes


def test_a_part_of_zeros_needs_no_sign_of_percent_as_in_memory(files, tmp_path):
    files = [frame.assign(share=[f"{k % 50}%" for k in range(len(frame))]) for frame in files]
    files[0]["share"] = "0"

    assert same(*prepared(tmp_path, files))


def test_rare_counts_are_amounts_as_in_memory_also_where_a_sample_stands_for_the_rows(files, tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "MOST_SAMPLED", 1_000)
    files = [frame.assign(claims=[2 if k in (7, 77, 777, 3_777) else k % 2 for k in range(4_000)]) for frame in files]

    found, in_memory = prepared(tmp_path, files, target="claims")

    assert len(found.frame) < 1_200
    assert found.signature.task is in_memory.signature.task is Task.REGRESSION


def test_no_note_quotes_a_cell_of_a_column_that_must_not_be_quoted(files, tmp_path):
    numbers = np.arange(12_000) + 7_654_321
    for k, frame in enumerate(files):
        own = numbers[4_000 * k : 4_000 * (k + 1)]
        frame["own_id"], frame["own_name"], frame["own_bank"] = own, [f"quux{n}" for n in own], "plugh"
        frame["own_score"] = frame["size"].astype(str).where(frame.index % 7 > 0, "xyzzy")

    place = tmp_path / "parts"
    place.mkdir()
    for k, frame in enumerate(files):
        frame.to_csv(place / f"{k}.csv", index=False)
    rules = ReadingRules(missing=("xyzzy",))
    found = training.prepare_parts(parted(place), rules, replace(REQUEST, unquoted=("own_*",)), Here())

    told = "\n".join(found.notes)
    assert {each.name for each in found.signature.ignored} == {"own_id", "own_name", "own_bank"}
    assert "own_name is not used: it identifies rows: 12,000 different values in 12,000 rows; --keep own_name" in told
    assert "own_bank is not used: it is the same in every row." in told
    assert "own_score: 1,716 cells are read as missing." in told
    assert not any(cell in told for cell in ("quux", "plugh", "xyzzy", "7654321"))


@pytest.mark.parametrize("unquoted", [(), ("own_*",)], ids=["quoted", "unquoted"])
def test_the_fault_of_a_part_quotes_no_cell_of_such_a_column(files, tmp_path, unquoted):
    for frame in files:
        frame["own_score"] = frame["size"].astype(str)
    files[1].loc[77, "own_score"] = "quux"
    with pytest.raises(TableError, match="own_score") as caught:
        prepared(tmp_path, files, unquoted=unquoted)
    assert ("quux" in str(caught.value)) is (not unquoted)
    assert not unquoted or "a value is not a number" in str(caught.value)
