"""`:export csv`: the list as shown, as a file that no spreadsheet runs and that overwrites nothing."""

import csv
import os
from datetime import UTC, datetime

import pytest

from console.presentation.csv_export import csv_text
from tests.console.test_table_verbs import type_command
from widgets.columns import Column
from widgets.line import Line
from widgets.live_table import Cell, Row

COLUMNS = tuple(enumerate((Column("name", "NAME", 8), Column("age", "AGE", 4, field="created_at"))))


def written(*cells) -> list[str]:
    rows = [Row(str(index), (cell, "x")) for index, cell in enumerate(cells)]
    return [line[0] for line in csv.reader(csv_text(COLUMNS, rows).splitlines())][1:]


def test_cells_are_written_as_their_values():
    seen = Cell("3h", value=datetime(2026, 3, 2, 0, 4, 5, tzinfo=UTC))
    cells = [
        Cell("93.7%", value=0.93712),
        seen,
        Cell("✗ critical", value="critical"),
        "–",
        Line((("a", ""), ("b", "x"))),
    ]
    assert written(*cells) == ["0.93712", "2026-03-02T00:04:05Z", "critical", "", "ab"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r@", "\n+", " =", "＝", "＋", "－", "＠"])
def test_no_text_begins_a_formula(start):
    (text,) = written(f"{start}cmd|' /C calc'!A0")
    assert text.startswith("'")


def test_a_negative_number_stays_a_number():
    assert written(Cell("-3%", value=-0.03)) == ["-0.03"]


def test_quotes_commas_and_lines_stay_in_their_cell():
    assert written('a,"b"\nc') == ['a,"b" c']


async def test_a_list_is_written_as_it_is_shown(open_console, tmp_path):
    async with open_console((80, 24)) as console:
        await console.press("3", "slash", *"spread", "enter")
        await type_command(console, "sort version desc")
        table = console.screen.main_table()
        await type_command(console, f"export csv {tmp_path}/a list.csv")
        await console.until(lambda: "Wrote" in console.sentence)
        text = (tmp_path / "a list.csv").read_text(encoding="utf-8")
        rows = list(csv.DictReader(text.splitlines()))
        assert [f"{row['model']}/{row['version']}" for row in rows] == [row.key for row in table.rows]
        assert {"session", "created_at", "attainment"} <= set(rows[0])  # also those without room
        assert datetime.fromisoformat(rows[0]["created_at"]).tzinfo is not None
        assert 0 < float(rows[0]["attainment"]) < 1


async def test_an_existing_file_is_replaced_only_by_force(open_console, tmp_path):
    file = tmp_path / "kept.csv"
    file.write_text("mine")
    async with open_console((160, 48)) as console:
        await console.press("3")
        await type_command(console, f"export csv {file}")
        await console.until(lambda: "exists" in console.sentence)
        assert ":export! csv FILE replaces it" in console.sentence
        assert file.read_text() == "mine"
        await type_command(console, f"export! csv {file}")
        await console.until(lambda: "Wrote" in console.sentence)
        assert file.read_text().startswith("model,version")


async def test_a_folder_gets_a_file_named_after_the_screen_and_the_time(open_console, tmp_path):
    async with open_console((160, 48)) as console:
        await console.press("5")
        await type_command(console, f"export csv {tmp_path}")
        await console.until(lambda: "Wrote" in console.sentence)
        assert (tmp_path / "bondx-alerts-20260302T030400Z.csv").is_file()


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("{tmp}/no/such.csv", "There is no folder"),
        ("{workspace}/state/registry.json", "is in the workspace"),
        ("{tmp}/" + "x" * 300, "cannot be"),
        ("~nobody-of-this-name/x.csv", "no account of this machine has this home"),
        ("{tmp}/fifo", "cannot be replaced"),
    ],
    ids=["no folder", "in the workspace", "a name too long", "an unknown home", "no plain file"],
)
async def test_a_path_that_cannot_be_is_said(open_console, workspace, tmp_path, where, sentence):
    outside = tmp_path / "out"
    outside.mkdir()
    os.mkfifo(outside / "fifo")
    async with open_console((160, 48)) as console:
        await console.press("3")
        before = (workspace.root / "state/registry.json").read_bytes()
        await type_command(console, "export! csv " + where.format(tmp=outside, workspace=workspace.root))
        await console.until(lambda: console.sentence)
        await console.settled()
        assert sentence in console.sentence or "name too long" in console.sentence
        assert (workspace.root / "state/registry.json").read_bytes() == before


async def test_another_format_is_refused(open_console):
    async with open_console((120, 40)) as console:
        await type_command(console, "export xlsx")
        assert "There is no format xlsx. Formats to choose from: csv." in console.sentence
