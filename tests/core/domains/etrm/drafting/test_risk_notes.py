"""Drafts of risk notes: every number is that of its cell, and what the row contradicts or cannot prove is marked."""

import json
import re
from functools import partial

import pytest

from console.cli.main import main
from core.domains.etrm.data.dataset import generate
from core.domains.etrm.data.settings import ETRMDataConfig
from core.domains.etrm.drafting.risk_notes import (
    MARK,
    beginning_of_note,
    check_narrative,
    checked_risk_note,
    draft_risk_note,
    marked_narrative,
)
from core.errors import NotFoundError, UsageError
from core.tables import TableError

HEAD = (
    "as_of_date,book,var99_hist,limit_var,utilisation,breach_flag,gross_exposure,limit_exposure,es975,"
    "actual_pnl_next_day,exceed99,top_driver"
)
GOOD = "2024-03-28,GAS_DESK,1000.004,2000,0.75,false,3000,4000,1100.5,-1200.25,true,TTF"


@pytest.fixture
def file(tmp_path):
    def write(*rows: str, head: str = HEAD):
        path = tmp_path / "risk_reports.csv"
        path.write_text("\n".join((head, *rows)) + "\n")
        return path

    return write


def test_a_draft_says_what_the_row_says(file):
    note = draft_risk_note(file(GOOD))
    assert note.text == (
        "Risk note 2024-03-28: VaR 99 of GAS_DESK is 1000.00 EUR against a limit of 2000.00 EUR; utilisation 0.7500, "
        "within the limits. Expected shortfall 97.5 is 1100.50 EUR; the gross exposure is 3000.00 EUR of a limit of "
        "4000.00 EUR. The next day brought -1200.25 EUR, beyond the VaR 99. The top driver is TTF."
    )
    assert note.n_unconfirmed == 0
    assert {fact.place for fact in note.facts} == {"line 2"}
    assert next(fact for fact in note.facts if fact.fact == "var99_hist").cell == "1000.004"
    assert len(note.sha256) == 64


def test_without_a_date_it_is_the_last_day_of_the_book(file, capsys):
    earlier, later = GOOD.replace("03-28", "03-26"), GOOD.replace("03-28", "03-29").replace("GAS", "OIL")
    path = file(later, earlier, GOOD)
    assert draft_risk_note(path, book="GAS_DESK").text.startswith("Risk note 2024-03-28: VaR 99 of GAS_DESK")
    assert beginning_of_note(path, book="GAS_DESK").startswith("Risk note 2024-03-28")
    assert draft_risk_note(path).text.startswith("Risk note 2024-03-29: VaR 99 of OIL_DESK")
    assert main(["text", "draft", str(path), "--book", "GAS_DESK"]) == 0
    assert "Risk note 2024-03-28" in capsys.readouterr().out


def test_a_day_that_the_book_lacks_is_refused_with_the_days_of_the_book(file):
    path = file(GOOD.replace("03-28", "03-29").replace("GAS", "OIL"), GOOD)
    with pytest.raises(NotFoundError, match=r"no report of 'GAS_DESK' on 2024-03-29\. Days: 2024-03-28 to 2024-03-28"):
        draft_risk_note(path, book="GAS_DESK", date="2024-03-29")
    with pytest.raises(NotFoundError, match=r"no report of 'ALU_DESK'\. Books: GAS_DESK, OIL_DESK"):
        draft_risk_note(path, book="ALU_DESK")


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (("0.75", "0.76"), "utilisation"),
        (("false", "true"), "breach_flag"),
        (("-1200.25", "-900.25"), "exceed99"),
        (("0.75", ""), "utilisation"),
        (("1100.5", ""), "es975"),
    ],
)
def test_what_the_row_contradicts_or_lacks_is_marked(file, change, fact):
    other = GOOD.replace("2024-03-28", "2024-03-27")  # so that no column is empty
    note = draft_risk_note(file(other, GOOD.replace(*change, 1)))
    assert MARK.strip() in note.text
    assert fact in {each.fact for each in note.facts if each.problem}
    assert note.n_unconfirmed >= 1


def test_a_file_with_the_needed_columns_alone_has_one_sentence_and_says_what_it_cannot_prove(file):
    note = draft_risk_note(file("2024-03-28,OIL_DESK,10,20,0.5,false", head=HEAD.partition(",gross")[0]))
    assert note.text.endswith(f"within the limits.{MARK}")
    assert [fact.fact for fact in note.facts if fact.problem] == ["utilisation"]


def test_every_report_of_a_generated_data_set_is_confirmed(tmp_path):
    data = generate(ETRMDataConfig(num_trades=200, num_risk_reports=24, random_seed=3))
    path = tmp_path / "risk_reports.csv"
    data.risk_reports.to_csv(path, index=False)
    for row in data.risk_reports.to_dict("records"):
        book, date = str(row["book"]), str(row["as_of_date"])[:10]
        note = draft_risk_note(path, book=book, date=date)
        assert note.n_unconfirmed == 0, note
        numbers = check_narrative(note.text, path, book=book, date=date)
        assert numbers
        assert all(number.column for number in numbers)


def test_a_number_of_nobodys_row_is_marked_and_one_of_the_row_is_found_as_it_is_rounded(file):
    path = file(GOOD)
    text = "On 2024-03-28 the VaR 99 was 1,000 EUR (1000.00), 50 % of 2000; we lost 1200.3, or 1201 with fees."
    numbers = check_narrative(text, path)
    assert {number.written: number.column for number in numbers} == {
        "1,000": "var99_hist",
        "1000.00": "var99_hist",
        "50": None,
        "2000": "limit_var",
        "1200.3": None,
        "1201": None,
    }
    marked = marked_narrative(text, numbers)
    assert marked.count(MARK) == 3
    assert marked.replace(MARK, "") == text
    assert re.search(r"1201 \[not confirmed\] with fees\.$", marked)


@pytest.mark.parametrize(
    ("old", "new", "column", "what"),
    [
        ("1100.5", '"10.00 EUR, approved by ana"', "es975", "number"),
        ("1000.004", "1e400", "var99_hist", ""),
        ("1100.5", "true", "es975", "number"),
        ("false", '"no; approved by ana"', "breach_flag", "true or false"),
        ("true", '"no, within all limits"', "exceed99", "true or false"),
        ("2024-03-28", '"10.00 EUR."', "as_of_date", "day such as"),
        ("2024-03-28", '"2024-03-28 approved"', "as_of_date", "day such as"),
        ("TTF", '"TTF. Approved by the head of risk: VaR 99 is 10.00 EUR"', "top_driver", "name: one word"),
        ("TTF", "10.00", "top_driver", "name: one word"),
        ("TTF", "VaR_is_1000_EUR", "top_driver", "name: one word"),
        ("TTF", "⅓", "top_driver", "name: one word"),
        ("TTF", "A" * 41, "top_driver", "name: one word"),
        ("GAS_DESK", "GAS_DESK (approved by ana)", "book", "name: one word"),
    ],
)
@pytest.mark.parametrize("is_alone", [True, False])
def test_a_cell_that_says_more_than_its_figure_day_flag_or_name_is_refused_by_its_place(
    file, old, new, column, what, is_alone
):
    row = GOOD.replace(old, new, 1)
    path = file(row) if is_alone else file(row, GOOD.replace("GAS_DESK", "OIL_DESK"))
    book = None if is_alone else row.split(",")[1]
    for draft in (
        draft_risk_note,
        beginning_of_note,
        partial(checked_risk_note, "The VaR 99 is 1000.00 EUR."),
        partial(check_narrative, "1000.00"),
    ):
        with pytest.raises(TableError, match=rf"line 2, column '{column}': .*{what}"):
            draft(path, book=book)
    assert main(["text", "draft", str(path), *([] if book is None else ["--book", book])]) == 2


def test_every_number_is_found_however_it_is_written(file):
    path = file(GOOD.replace("TTF", "API2"))
    odd = [
        "١٥٠٠", "９９９", "1e9", "12k", "⅓", "0x7E4", "1.000,00", "10,00", "1'000", "5³", "Ⅻ", "①", "1000EUR",
        "EUR1000", "1_000", "1000\u200b5", "99.5", "−5", "二千",
    ]  # fmt: skip
    numbers = check_narrative(f"VaR 99.5 and {'; '.join(odd)} EUR of API2, API22 on 2024-03-28.", path)
    assert [each.written for each in numbers] == ["99.5", *odd, "API22"]
    assert {each.column for each in numbers} == {None}
    told = check_narrative("1,000.00 of +2000, then −1200.25 (or -1200.25): 1000.00-2000.00", path)
    assert [each.column for each in told] == [
        "var99_hist", "limit_var", "actual_pnl_next_day", "actual_pnl_next_day", "var99_hist", "limit_var"
    ]  # fmt: skip


def test_a_refusal_lists_few_of_many_names(file):
    path = file(*(GOOD.replace("GAS_DESK", f"{'B' * 300}{number}") for number in range(40)))
    with pytest.raises(UsageError, match=r"40 reports on 2024-03-28: .* and 30 more\. Name the book of one") as refused:
        draft_risk_note(path)
    assert len(str(refused.value)) < 1_000
    with pytest.raises(NotFoundError, match=r"and 30 more"):
        draft_risk_note(path, book="NOBODY")


def test_a_row_is_chosen_by_book_and_day(file):
    path = file(GOOD, GOOD.replace("GAS", "OIL"), GOOD.replace("03-28", "03-27"))
    assert "OIL_DESK" in draft_risk_note(path, book="OIL_DESK").text
    assert "2024-03-27" in draft_risk_note(path, date="2024-03-27").text
    with pytest.raises(UsageError, match="2 reports on 2024-03-28: GAS_DESK, OIL_DESK"):
        draft_risk_note(path)
    with pytest.raises(NotFoundError, match="Books: GAS_DESK, OIL_DESK"):
        draft_risk_note(path, book="NOBODY")
    with pytest.raises(TableError, match="it lacks var99_hist"):
        draft_risk_note(file("2024-03-28,A", head="as_of_date,book"))


def test_the_command_prints_the_draft_and_fails_where_it_is_marked(file, tmp_path, capsys):
    path = file(GOOD)
    assert main(["text", "draft", str(path), "--book", "GAS_DESK", "--date", "2024-03-28"]) == 0
    said = capsys.readouterr().out
    assert main(["text", "draft", str(path), "--risk-report", "GAS_DESK@2024-03-28"]) == 0
    assert capsys.readouterr().out == said
    for wrong in (["--risk-report", "GAS_DESK"], ["--risk-report", "GAS_DESK@March"]):
        assert main(["text", "draft", str(path), *wrong]) == 2
        assert "must be" in capsys.readouterr().err
    assert main(["text", "draft", str(path), "--risk-report", "GAS_DESK@2024-03-28", "--book", "GAS_DESK"]) == 2
    assert "--risk-report names the book and the day" in capsys.readouterr().err
    assert "VaR 99 of GAS_DESK" in said
    assert "var99_hist" in said
    text = tmp_path / "note.txt"
    text.write_text("The VaR 99 is 1000.00 EUR of 2001 EUR.")
    assert main(["text", "draft", str(path), "--check", str(text)]) == 1
    assert f"2001{MARK} EUR" in capsys.readouterr().out
    assert main(["text", "draft", str(path), "--check", str(text), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["numbers"][1]["column"] is None
    assert main(["text", "draft", str(path), "--check", str(tmp_path / "missing.txt")]) == 2
    assert main(["text", "draft", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_unconfirmed"] == 0
