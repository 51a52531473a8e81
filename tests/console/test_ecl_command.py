"""`bondx compliance ecl`: what it prints, and how it ends."""

import functools
import json

import pytest

from console.cli.main import main
from core.errors import ExitCode

COLUMNS = "exposure_id,rating,origination_rating,ead_musd,seniority,maturity_years,eir_pct,previous_stage"
BOOK = f"""{COLUMNS},previous_ecl_musd
A,BBB,BBB,100,senior_unsecured,1,0,1,0.09
B,D,BB,40,secured,2,4.5,2,9.1
"""


@pytest.fixture
def book(tmp_path):
    (tmp_path / "book.csv").write_text(BOOK)
    return tmp_path / "book.csv"


def test_the_losses_of_a_file_are_printed_by_stage_scenario_and_exposure(called, book):
    code, out, err = called(main, "compliance", "ecl", book)
    assert (code, err) == (ExitCode.GOOD, "")
    assert "2 exposures of 140.00 USD m: expected credit loss 18.4972 USD m" in out
    for title in ("SCENARIO", "SENSITIVITY", "BEFORE", "RECONCILIATION", "COVERAGE"):
        assert title in out


def test_the_same_as_json_adds_up(called, book):
    code, out, _ = called(main, "compliance", "ecl", book, "--json")
    report = json.loads(out)
    assert code == ExitCode.GOOD
    assert report["loss"] == pytest.approx(sum(each["loss"] for each in report["exposures"]))
    assert report["loss"] == pytest.approx(sum(each["loss"] for each in report["stages"]))


def test_a_file_that_cannot_be_used_is_one_clear_line(called, tmp_path, book):
    for file, complaint in ((tmp_path / "missing.csv", "missing.csv"), (tmp_path / "bad.csv", "is no rating")):
        (tmp_path / "bad.csv").write_text(BOOK.replace("B,D,BB", "B,ZZ,BB"))
        code, out, err = called(main, "compliance", "ecl", file)
        assert (code, out) == (ExitCode.USAGE, "")
        assert complaint in err


@pytest.mark.parametrize(
    ("column", "sound", "cell"), [("rating", "B,D", "B,Zeppelin"), ("exposure_id", "\nB,", "\nA,")]
)
def test_a_refusal_and_the_log_quote_no_cell_of_a_denied_column(
    called, workspace, monkeypatch, tmp_path, column, sound, cell
):
    (tmp_path / "bad.csv").write_text(BOOK.replace(sound, cell))
    ask = functools.partial(called, main, "--workspace", workspace.root, "compliance", "ecl", tmp_path / "bad.csv")
    told = "'ZEPPELIN'" if column == "rating" else "'A'"
    assert told in ask()[2]
    workspace.settings_file.write_text(f"explanation: {{denied_columns: [{column}]}}\nlogging: {{level: debug}}\n")
    monkeypatch.setattr("sys.argv", ["bondx", "compliance", "ecl", "bad.csv"])
    code, _, err = ask()
    logged = (workspace.logs_dir / "bondx.log").read_text()
    assert code == ExitCode.USAGE
    for said in (err, logged):
        assert f"column {column!r}" in said
        assert told not in said


@pytest.mark.parametrize(
    ("column", "cell"), [("exposure_id", "Zeppelin"), ("days_past_due", "45 days past due"), ("ead_musd", "123.75")]
)
def test_no_cell_of_a_column_that_is_withheld_is_told(called, workspace, tmp_path, column, cell):
    header, *rows = BOOK.splitlines()
    book = [f"{header},days_past_due", f"{rows[0].replace('A,', 'Zeppelin,', 1)},45", f"{rows[1]},0"]
    (tmp_path / "book.csv").write_text("\n".join(book).replace(",100,", ",123.75,") + "\n")
    ask = functools.partial(called, main, "compliance", "ecl", tmp_path / "book.csv", "--workspace", workspace.root)
    for kind in (None, "personal", "secret"):
        workspace.settings_file.write_text("{}" if kind is None else f"protection: {{{kind}: [{column}]}}")
        plain, told = ask(), ask("--json")
        assert (plain[0], told[0]) == (ExitCode.GOOD, ExitCode.GOOD)
        listed = plain[1][plain[1].index("EXPOSURE ") :] + json.dumps(json.loads(told[1])["exposures"])
        assert (cell in listed) is (kind is None)
    assert column != "exposure_id" or "row 0" in listed
