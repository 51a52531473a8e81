"""A user's own file: mapped, checked cell by cell, and never trusted."""

import gzip

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.domains.etrm.compliance.check import check_trades
from core.domains.etrm.compliance.reading import columns_from, read_trades
from core.domains.etrm.compliance.trades import TradeColumns
from core.errors import CoreError, UsageError
from core.tables import ReadingRules, TableError
from core.tables.rules import manners_of
from tests.core.domains.etrm.compliance.desk import LEI, trades

HEAD = "trade_id,trade_ts,commodity,hub,instrument"
ROW = "T1,2024-03-05T10:00:00,POWER,DE,future"


def written(folder, text: str | bytes, name: str = "trades.csv"):
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refused(folder, text: str | bytes, name: str = "trades.csv", **arguments) -> str:
    with pytest.raises(CoreError) as error:
        read_trades(written(folder, text, name), **arguments)
    return str(error.value)


def sample() -> pd.DataFrame:
    return trades(
        {},
        {"lei_like": "", "cleared": True, "side": "sell", "trade_ts": "2024-03-08T10:00:00"},
        {"instrument": "option", "option_type": "put", "strike": 31.5, "reported_ts": None},
        {"commodity": "POWER", "hub": "DE", "price": -12.5, "hedge_flag": True},
    )


@pytest.mark.parametrize("form", ["csv", "csv.gz", "semicolon", "parquet", "typed parquet"])
def test_every_format_gives_the_columns_of_the_frame(tmp_path, form):
    frame = sample()
    path = tmp_path / f"trades.{'parquet' if 'parquet' in form else 'csv.gz' if form == 'csv.gz' else 'csv'}"
    if form == "typed parquet":
        for name in ("trade_ts", "reported_ts"):
            frame[name] = pd.to_datetime(frame[name], utc=True)
        for name in ("delivery_start", "delivery_end"):
            frame[name] = pd.to_datetime(frame[name]).dt.date
        frame["hub"] = frame["hub"].astype("category")
    if "parquet" in form:
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep=";" if form == "semicolon" else ",")
    found, expected = read_trades(path).trades, TradeColumns.of(sample())
    assert found.ids.to_pylist() == expected.ids.to_pylist()
    for name, labels in expected.words.items():
        assert [found.words[name].word(row) for row in range(4)] == [labels.word(row) for row in range(4)], name
    for group in ("numbers", "flags", "instants", "days"):
        for name, values in getattr(expected, group).items():
            equal_nan = values.dtype.kind in "fM"
            assert np.array_equal(getattr(found, group)[name], values, equal_nan=equal_nan), name


def test_a_file_is_read_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("core.tables.limits.MOST_LINE_BYTES", 1 << 10)
    frame = pd.concat([sample()] * 500, ignore_index=True)
    frame["trade_id"] = [f"T{number}" for number in range(len(frame))]
    frame["book"] = [f"B{number % 7}" for number in range(len(frame))]
    frame.to_csv(tmp_path / "trades.csv", index=False)
    found = read_trades(tmp_path / "trades.csv").trades
    assert found.ids.num_chunks > 3
    assert [found.words["book"].word(row) for row in (0, 8, 1_999)] == ["B0", "B1", "B4"]
    assert found.numbers["price"].tolist() == frame["price"].tolist()
    check, expected = check_trades(found), check_trades(TradeColumns.of(frame))
    assert check.violations.tolist() == expected.violations.tolist()


def test_columns_are_mapped_by_name(tmp_path):
    text = f"Deal No,when,Commodity,hub,instrument,Gegenpartei\nD-7,2024-03-05 10:00,POWER,DE,future,{LEI}\n"
    said = columns_from(["trade_id=Deal No", "trade_ts=when", "commodity=Commodity", "lei_like=Gegenpartei"])
    found = read_trades(written(tmp_path, text), columns=said)
    assert found.trades.trade_id(0) == "D-7"
    assert found.trades.flags["lei_like"].tolist() == [1]
    assert "price" in found.missing
    assert "lei_like" not in found.missing


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (["price"], "write OURS=THEIRS"),
        (["price="], "write OURS=THEIRS"),
        (["prise=x"], "'prise' is not a column"),
        (["price=a", "price=b"], "price is named twice"),
    ],
)
def test_a_mistyped_mapping_is_refused(said, words):
    with pytest.raises(UsageError, match=words):
        columns_from(said)


def test_a_mapped_column_must_be_in_the_file(tmp_path):
    assert "has no column 'Px'" in refused(tmp_path, f"{HEAD}\n{ROW}\n", columns={"price": "Px"})


def test_an_essential_column_is_named_with_its_cure(tmp_path):
    said = refused(tmp_path, "trade_id,trade_ts,commodity,hub\nT1,2024-03-05,POWER,DE\n")
    assert "there is no column instrument" in said
    assert "--column instrument=NAME" in said


@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ("price", "many", "line 3, column 'price': 'many' is not a number"),
        ("price", "inf", "line 3, column 'price'"),
        ("quantity_lots", "1e999", "line 3, column 'quantity_lots'"),
        ("cleared", "perhaps", "line 3, column 'cleared': 'perhaps' is not a flag"),
        ("delivery_start", "2024-02-30", "line 3, column 'delivery_start': '2024-02-30' is not a valid date"),
        ("reported_ts", "soon", "line 3, column 'reported_ts': 'soon' is not a date"),
        ("book", "x" * 300, "line 3, column 'book': 'xxxxxxxxxxxxxxxxxxxx…' is longer than 200 characters"),
        ("trade_id", "", "line 3, column 'trade_id': the cell is empty"),
        ("price", "\x1b[2J", r"'\x1b[2J' is not a number"),
    ],
)
def test_a_malformed_cell_is_named_by_line_and_column(tmp_path, column, cell, words):
    frame = sample().astype(object)
    frame.loc[1, column] = cell
    frame.to_csv(tmp_path / "trades.csv", index=False)
    with pytest.raises(TableError) as error:
        read_trades(tmp_path / "trades.csv")
    assert words in str(error.value)


def test_a_malformed_cell_of_a_later_piece_has_its_own_line(tmp_path, monkeypatch):
    monkeypatch.setattr("core.tables.limits.MOST_LINE_BYTES", 1 << 10)
    rows = [f"T{number},2024-03-05T10:00:00,POWER,DE,future,{number}.5" for number in range(2_000)]
    rows[1_500] = rows[1_500].replace("1500.5", "1500.5.5")
    said = refused(tmp_path, "\n".join([f"{HEAD},price", *rows]))
    assert "line 1502, column 'price': '1500.5.5'" in said


def test_a_malformed_cell_of_parquet_is_named_by_row(tmp_path):
    frame = sample().astype({"price": object})
    frame["price"] = ["1", "x", "2", "3"]
    frame.to_parquet(tmp_path / "trades.parquet")
    with pytest.raises(TableError, match=r"row 1, column 'price': 'x' is not a number"):
        read_trades(tmp_path / "trades.parquet")


def test_a_delivery_that_ends_before_it_starts_is_named_by_line(tmp_path):
    frame = trades({}, {"delivery_start": "2024-06-30", "delivery_end": "2024-06-01", "quantity_lots": 1e9})
    said = refused(tmp_path, frame.to_csv(index=False))
    assert "trades.csv, line 3, column 'delivery_end': 2024-06-01 is before 'delivery_start', 2024-06-30." in said


def test_dates_in_doubt_are_refused_until_somebody_says_their_order(tmp_path):
    path = written(tmp_path, f"{HEAD}\nT1,05/03/2024 10:00,POWER,DE,future\n")
    with pytest.raises(TableError, match="day-first"):
        read_trades(path)
    found = read_trades(path, rules=ReadingRules(manners=manners_of(["trade_ts=day-first"])))
    assert str(found.trades.instants["trade_ts"][0]) == "2024-03-05T10:00:00"


def test_decimal_commas_and_words_for_empty_cells_are_read_as_said(tmp_path):
    path = written(
        tmp_path,
        f"{HEAD};price\nT1;2024-03-05;POWER;DE;future;-1,5\nT2;2024-03-05;POWER;DE;future;leer\n".replace(",", ";", 4),
    )
    found = read_trades(path, rules=ReadingRules(manners=manners_of(["decimal-comma"]), missing=("leer",)))
    assert found.trades.numbers["price"][0] == -1.5
    assert np.isnan(found.trades.numbers["price"][1])


HOSTILE = {
    "nothing": (b"", "trades.csv", "it is empty"),
    "a header alone": (HEAD.encode(), "trades.csv", "no rows"),
    "a zero byte": (f"{HEAD}\n{ROW}\0\n".encode(), "trades.csv", "line 2: a zero byte"),
    "latin-1": (f"{HEAD}\nZ\xfcrich".encode("latin-1"), "trades.csv", "line 2: the byte 0xFC is not UTF-8"),
    "utf-16": (f"{HEAD}\n{ROW}\n".encode("utf-16"), "trades.csv", "UTF-16"),
    "a workbook": (b"PK\x03\x04 workbook", "trades.csv", "Excel workbook"),
    "a short row": (f"{HEAD}\n{ROW}\nT2,2024\n".encode(), "trades.csv", "line 3: 2 cells where the header has 5"),
    "a long row": (f"{HEAD}\n{ROW},x,y\n".encode(), "trades.csv", "line 2: 7 cells"),
    "an open quote": (f'{HEAD}\n{ROW}\nT2,"x,POWER,DE,spot\nT3,a,b,c,d\n'.encode(), "trades.csv", "quote is opened"),
    "a line of two megabytes": (f"{HEAD}\n{ROW}{'x' * (2 << 20)}\n".encode(), "trades.csv", "longer than 1 MiB"),
    "a repeated column": (f"{HEAD},hub\n{ROW},DE\n".encode(), "trades.csv", "more than one column of this name"),
    "a formula for a name": (f"{HEAD},=cmd()\n{ROW},DE\n".encode(), "trades.csv", "spreadsheet"),
    "damaged gzip": (gzip.compress(f"{HEAD}\n{ROW}\n".encode())[:-9], "trades.csv.gz", "damaged"),
    "damaged parquet": (b"PAR1 and nothing else", "trades.parquet", "damaged"),
    "json lines": (b'{"trade_id": 1}\n', "trades.jsonl", "no JSON lines"),
    "another kind of file": (b"x", "trades.pdf", "does not show its format"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_with_its_place(tmp_path, name):
    content, file, words = HOSTILE[name]
    assert words in refused(tmp_path, content, file)


def test_more_trades_than_the_memory_holds_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("core.domains.etrm.compliance.reading.MOST_TRADES", 1)
    assert "it has more than 1 trades. Split it by book or by time." in refused(tmp_path, f"{HEAD}\n{ROW}\n{ROW}\n")


def test_nested_parquet_is_refused(tmp_path):
    table = pa.table({**{name: [name] for name in HEAD.split(",")}, "price": [[1.0]]})
    pq.write_table(table, tmp_path / "trades.parquet")
    with pytest.raises(TableError, match="column 'price': it holds list"):
        read_trades(tmp_path / "trades.parquet")


def test_a_formula_in_a_cell_is_a_text_like_any_other(tmp_path):
    path = written(tmp_path, f'{HEAD},book\n{ROW},"=HYPERLINK(""http://evil"")"\n')
    assert read_trades(path).trades.words["book"].word(0) == '=HYPERLINK("http://evil")'


CELLS = st.text(st.characters(codec="utf-8"), max_size=12)


@given(st.lists(st.lists(CELLS, min_size=6, max_size=6), min_size=1, max_size=8))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_read_or_refused_in_one_sentence(tmp_path, rows):
    import csv

    with (tmp_path / "any.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*HEAD.split(","), "price"])
        writer.writerows(rows)
    try:
        found = read_trades(tmp_path / "any.csv")
    except CoreError as error:
        said = str(error)
    else:
        check_trades(found.trades)
        return
    assert str(tmp_path) in said
    assert said.isprintable()


@given(st.binary(max_size=300))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_or_refused(tmp_path, content):
    for name in ("any.csv", "any.parquet", "any.csv.gz"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CoreError):
            read_trades(tmp_path / name)


def test_a_program_checks_a_file_in_one_call(tmp_path):
    from bondx.ml import CheckSettings, check_trades_file, compliance_table

    frame = sample()
    frame.rename(columns={"trade_id": "Deal"}).to_csv(tmp_path / "trades.csv", index=False)
    report = check_trades_file(
        tmp_path / "trades.csv", regimes=["EMIR"], columns={"trade_id": "Deal"}, settings=CheckSettings()
    )
    assert report.has_findings
    assert (report.findings[0].trade_id, report.findings[0].kinds) == ("T2", ("missing_lei",))
    assert len(compliance_table(frame)) == 16
    with pytest.raises(UsageError, match="no regime 'basel'"):
        check_trades_file(tmp_path / "missing.csv", regimes=["basel"])
