"""The table of trades and regimes, in memory and as a file."""

import errno

import numpy as np
import pandas as pd
import pytest

from core.domains.etrm.compliance import writing
from core.domains.etrm.compliance.check import check_trades
from core.domains.etrm.compliance.table import compliance_table, table_of, table_pieces
from core.domains.etrm.compliance.trades import TradeColumns
from core.domains.etrm.compliance.writing import write_compliance_table
from core.errors import CoreError, UsageError
from tests.core.domains.etrm.compliance.desk import trades

BRENT_SPOT = {"commodity": "CRUDE", "hub": "BRENT", "instrument": "spot"}
PAIR = ({}, {"side": "sell", "trade_ts": "2024-03-05T10:01:00"})


def test_the_table_has_a_row_for_each_trade_and_regime():
    table = compliance_table(trades({}, {"lei_like": None}), truth=pd.Series(["none", "missing_lei"]))
    assert list(table) == ["trade_id", "regime", "flag", "due_ts", "status", "reason", "injected_violation"]
    assert table["trade_id"].tolist() == ["T1"] * 4 + ["T2"] * 4
    assert table["regime"].tolist() == ["remit", "emir", "mifid2", "dodd-frank"] * 2
    assert table["flag"].tolist() == ["", "", "", "", "missing_lei", "missing_lei", "", ""]
    assert table["status"].tolist() == ["reported", "reported", "limited", "out_of_scope"] * 2
    assert table["injected_violation"].tolist() == ["none"] * 4 + ["missing_lei"] * 4
    assert str(table["due_ts"][0]) == "2024-03-06 23:59:59"
    assert table["due_ts"].isna().tolist() == [False, False, True, True] * 2


def test_violations_of_one_trade_are_joined():
    faulty = {"lei_like": "", "uti": "", "reported_ts": "2024-04-01T00:00:00"}
    table = compliance_table(trades(faulty), regimes=["emir"])
    assert table["flag"].tolist() == ["late_report+missing_lei+missing_uti"]


def test_a_pattern_stands_where_the_trade_is_in_scope():
    table = compliance_table(trades(*PAIR))
    assert table["flag"].tolist() == ["wash_trade", "wash_trade", "wash_trade", ""] * 2


def test_a_pattern_of_a_trade_that_no_regime_binds_stands_in_its_first_row():
    table = compliance_table(trades(*(BRENT_SPOT | change for change in PAIR)))
    assert table["flag"].tolist() == ["wash_trade", "", "", ""] * 2
    assert set(table["status"]) == {"out_of_scope"}


def test_pieces_join_to_the_whole():
    check = check_trades(TradeColumns.of(trades(*PAIR, {"lei_like": ""}, BRENT_SPOT, {})))
    pieces = pd.concat(list(table_pieces(check, n_trades=2)), ignore_index=True)
    pd.testing.assert_frame_equal(pieces, table_of(check, 0, 5))


def test_a_truth_of_another_length_is_refused():
    with pytest.raises(UsageError, match="truth: has 1 rows"):
        compliance_table(trades({}, {}), truth=pd.Series(["none"]))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_written_table_is_that_in_memory(tmp_path, suffix):
    frame = trades(*PAIR, {"lei_like": ""}, {"instrument": "spot", "hub": "NBP"})
    frame.loc[3, "trade_id"] = "=1+1"
    check = check_trades(TradeColumns.of(frame))
    path = tmp_path / f"table{suffix}"
    assert write_compliance_table(check, path) == 16
    found = pd.read_csv(path, keep_default_na=False) if suffix == ".csv" else pd.read_parquet(path)
    expected = table_of(check, 0, 4)
    for column in ("regime", "flag", "status", "reason"):
        assert found[column].astype(str).tolist() == expected[column].astype(str).tolist()
    # A spreadsheet would run the id as a formula; Parquet is opened by programs.
    assert found["trade_id"].tolist()[-1] == ("'=1+1" if suffix == ".csv" else "=1+1")
    due = pd.to_datetime(found["due_ts"], errors="coerce", utc=True).dt.tz_localize(None)
    assert np.array_equal(due.to_numpy("datetime64[s]"), expected["due_ts"].to_numpy("datetime64[s]"), equal_nan=True)


def test_a_table_is_written_into_a_new_file_of_a_known_format(tmp_path):
    check = check_trades(TradeColumns.of(trades({})))
    (tmp_path / "old.csv").write_text("mine")
    for name, words in (("old.csv", "already exists"), ("table.xlsx", "does not show its format")):
        with pytest.raises(UsageError, match=words):
            write_compliance_table(check, tmp_path / name)
    assert (tmp_path / "old.csv").read_text() == "mine"
    with pytest.raises(CoreError, match="nowhere"):
        write_compliance_table(check, tmp_path / "nowhere" / "table.csv")


@pytest.mark.parametrize("fault", [None, OSError(errno.ENOSPC, "No space left on device")])
def test_a_file_that_another_program_writes_meanwhile_stays(fault, tmp_path, monkeypatch):
    check, path = check_trades(TradeColumns.of(trades({}))), tmp_path / "table.csv"

    def meanwhile(checked):
        path.write_text("theirs")
        if fault:
            raise fault  # of the temporary file
        yield from table_pieces(checked)

    monkeypatch.setattr(writing, "table_pieces", meanwhile)
    with pytest.raises(CoreError, match=r"table\.csv"):
        write_compliance_table(check, path)
    assert path.read_text() == "theirs"
