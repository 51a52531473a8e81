"""`bondx show SCREEN` has every screen, without a terminal."""

import csv
import functools
import io
import json
import subprocess
import sys

import pytest

from console.cli.main import main
from console.commands.show import SCREENS
from console.screen_catalog import SCREENS as CATALOG
from core.clock import utc_now
from core.settings import AlertSettings
from core.telemetry import TelemetryWriter
from tools.demo_retraining import retrain_demo
from tools.demo_stress import stress_demo
from tools.demo_views import view_demo


@pytest.fixture
def answer(called, workspace):
    return functools.partial(called, main, "--workspace", workspace.root)


def test_every_screen_of_the_console_can_be_shown():
    assert set(SCREENS) == {screen.name for screen in CATALOG}


@pytest.mark.parametrize("screen", SCREENS)
def test_a_screen_is_told_as_text_as_plain_lines_and_as_json(answer, workspace, screen):
    if screen == "stress":
        stress_demo(workspace, utc_now())
    if screen == "retrainings":
        retrain_demo(workspace, utc_now())
    if screen == "view":
        view_demo(workspace, utc_now())
    code, out, err = answer("show", screen, "--json")
    tables = json.loads(out)
    plain = answer("show", screen, "--plain")[1]
    text = answer("show", screen, "--width", "60")[1]

    assert (code, err) == (0, "")
    assert any(table["rows"] for table in tables)
    for table in tables:
        assert f"{table['title']}: " in plain
        assert f"{table['title']}:" in text.splitlines()
        assert len(plain.splitlines()) >= len(table["rows"])


def test_an_unknown_screen_is_refused_with_the_choices(answer):
    code, _, err = answer("show", "nonsense")
    assert code == 2
    assert "overview" in err


def test_values_are_typed_in_json_and_whole_in_csv(answer):
    (versions,) = json.loads(answer("show", "registry", "--json")[1])
    rows = list(csv.DictReader(io.StringIO(answer("show", "registry", "--csv")[1])))

    assert {type(row["attainment"]) for row in versions["rows"]} <= {float, type(None)}
    assert [row["version"] for row in rows] == [row["version"] for row in versions["rows"]]
    assert [row["stage"] for row in rows] == [row["stage"] for row in versions["rows"]]
    assert all(row["created_at"].endswith("Z") for row in rows)
    told = [None if row["attainment"] == "" else float(row["attainment"]) for row in rows]
    assert told == [row["attainment"] for row in versions["rows"]]


def test_what_counts_is_a_number_and_what_is_missing_is_null(answer):
    (changes,) = json.loads(answer("show", "audit", "--json")[1])
    sessions = json.loads(answer("show", "training", "--table", "sessions", "--json")[1])

    assert all(type(row["sequence"]) is int for row in changes["rows"])
    assert [table["title"] for table in sessions] == ["Sessions"]
    assert {type(row["epoch"]) for row in sessions[0]["rows"]} == {int}
    assert all(row["phase"].replace(" ", "").isalpha() for row in sessions[0]["rows"])
    assert not any(value in ("", "-", "–") for row in sessions[0]["rows"] for value in row.values())


def test_the_resources_have_their_gauges(answer, workspace):
    telemetry = TelemetryWriter(workspace.telemetry_file)
    for series, value in (("cpu_percent", 12.5), ("disk_percent", 40.0), ("net_sent_bytes_per_second", 2048.0)):
        telemetry.add(f"resource.{series}", utc_now(), value)
    telemetry.close()
    (machine,) = json.loads(answer("show", "resources", "--table", "Machine", "--json")[1])

    told = {row["resource"]: (row["used"], row["limit"]) for row in machine["rows"]}
    limits = AlertSettings()
    assert told == {
        "CPU": (12.5, limits.cpu_percent_max),
        "disk": (40.0, limits.disk_percent_max),
        "network out": (2048.0, None),
    }


def test_a_table_that_is_not_on_the_screen_is_refused_with_the_choices(answer):
    code, _, err = answer("show", "overview", "--table", "nonsense")
    assert code == 2
    assert "What is wrong, Live" in err


def test_no_terminal_library_is_imported():
    code = "import sys, console.commands.show, console.presentation.screen_tables, console.presentation.csv_export"
    told = "print([name for name in sys.modules if name.split('.')[0] == 'textual'])"
    ran = subprocess.run([sys.executable, "-c", f"{code}; {told}"], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_what_cannot_be_read_is_named_and_not_only_shown_as_empty(answer, workspace, tmp_path):
    (tmp_path / "t.db").write_bytes(b"no database" * 500)
    workspace.telemetry_file.unlink(missing_ok=True)
    workspace.telemetry_file.symlink_to(tmp_path / "t.db")
    code, out, err = answer("show", "resources", "--plain")
    assert code == 1
    assert out
    assert str(workspace.telemetry_file) in err
