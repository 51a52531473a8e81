"""`bondx compliance check`: its output, its exit codes, and files that nobody should trust."""

import functools
import json

import pandas as pd
import pytest

from console.cli.main import main
from tests.core.domains.etrm.compliance.desk import trades


@pytest.fixture
def answer(called):
    return functools.partial(called, main, "compliance", "check")


def saved(folder, *changes: dict, name: str = "trades.csv", without: tuple[str, ...] = ()):
    path = folder / name
    frame = trades(*changes, without=without)
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return path


def test_sound_trades_have_no_findings_and_exit_code_0(answer, tmp_path):
    code, out, err = answer(saved(tmp_path, {}))
    assert (code, err) == (0, "")
    assert "trades.csv: 1 trade, no findings" in out


def test_findings_give_exit_code_1_and_name_trade_regime_and_reason(answer, tmp_path):
    code, out, _ = answer(saved(tmp_path, {"lei_like": ""}, {"reported_ts": "2024-04-01 10:00:00"}))
    assert code == 1
    lines = [line.split(maxsplit=4) for line in out.splitlines()]
    assert ["T1", "emir", "missing_lei", "2024-03-06", "the counterparty has no valid LEI"] in lines
    assert ["T2", "remit", "late_report", "2024-03-06", "reported after its due time"] in lines
    assert "2 trades, 4 findings" in out


def test_a_position_above_its_limit_alone_is_a_finding(answer, tmp_path):
    future = {"instrument": "future", "venue": "exchange", "quantity_lots": 1_300.0, "trade_ts": "2024-03-05T10:00:00"}
    path = saved(tmp_path, future, future | {"counterparty_id": "CP-2"})
    code, out, _ = answer(path, "--as-of", "2024-05-01")
    assert code == 1
    assert "trades.csv: 2 trades, 1 position above the limit" in out
    assert "no findings" not in out
    assert "TTF  2024-06   2024-05-01  2,600     2,500  T2" in out
    code, out, _ = answer(path)
    assert code == 0
    assert "above the limit on a day that has not come, if held until then (no finding):" in out
    assert "TTF  2024-06   2024-05-01  2,600     2,500  T2" in out
    assert "trades.csv: 2 trades, no findings" in out
    code, out, _ = answer(path, "--json", "--as-of", "2024-05-01")
    report = json.loads(out)["report"]
    assert (code, report["has_findings"], report["n_findings"], report["n_positions"]) == (1, True, 0, 1)


def test_a_threshold_that_the_file_cannot_decide_is_said_to_be_open(answer, tmp_path):
    path = saved(tmp_path, {"venue": "OTC", "quantity_units": 1e9, "price": 40.0, "delivery_end": "2025-12-31"})
    _, out, _ = answer(path, "--regime", "emir")
    assert "3,333,333,333  4,000,000,000 EUR  undecided, at least this: month-end" in out
    assert "; 11 of the 12 month ends lie before the first trade, 2024-03-05" in out
    _, out, _ = answer(path, "--regime", "emir", "--json", "--as-of", "2025-02-28")
    (threshold,) = json.loads(out)["report"]["regimes"][0]["thresholds"]
    assert (threshold["value"], threshold["verdict"], threshold["gap"]) == (4e10, "exceeded", "")


def test_json_holds_the_whole_report(answer, tmp_path):
    path = saved(tmp_path, {"lei_like": ""}, {}, name="trades.parquet", without=("reported_ts",))
    code, out, _ = answer(path, "--json", "--regime", "emir")
    found = json.loads(out)
    assert code == 1
    assert found["file"] == str(path)
    assert len(found["sha256"]) == 64
    report = found["report"]
    assert report["n_trades"] == 2
    assert [regime["name"] for regime in report["regimes"]] == ["emir"]
    assert report["regimes"][0]["statuses"] == {"not_judged": 2}
    assert report["findings"] == [
        {
            "trade_id": "T1",
            "regime": "emir",
            "kinds": ["missing_lei"],
            "due": "2024-03-06T23:59:59Z",
            "reason": "the counterparty has no valid LEI",
        }
    ]
    assert report["missing_columns"] == ["reported_ts"]
    assert any("nobody can say which trades were reported late" in note for note in report["notes"])


def test_the_list_is_cut_and_says_so(answer, tmp_path):
    path = saved(tmp_path, *({"lei_like": "", "trade_ts": f"2024-03-0{day}T10:00:00"} for day in range(1, 9)))
    _, out, _ = answer(path, "--most", "3", "--regime", "remit")
    assert "and 5 more findings" in out
    _, out, _ = answer(path, "--most", "3", "--regime", "remit", "--json")
    report = json.loads(out)["report"]
    assert (report["n_findings"], len(report["findings"])) == (8, 3)


def test_out_writes_every_trade_and_regime_once(answer, tmp_path):
    target = tmp_path / "table.csv"
    code, out, _ = answer(saved(tmp_path, {}, {}), "--out", target)
    assert "8 rows in" in out
    assert len(pd.read_csv(target)) == 8
    code, _, err = answer(tmp_path / "trades.csv", "--out", target)
    assert code == 2
    assert "already exists" in err


def test_a_file_with_other_names_is_mapped(answer, tmp_path):
    trades({}).rename(columns={"trade_id": "Deal No", "price": "=Px"}).drop(columns="=Px").to_csv(
        tmp_path / "deals.csv", index=False
    )
    code, out, _ = answer(tmp_path / "deals.csv", "--column", "trade_id=Deal No")
    assert code == 0
    assert "the column price is missing, so the clearing threshold is not judged" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--regime", "basel"], "There is no regime 'basel'; known: remit, emir, mifid2, dodd-frank"),
        (["--column", "price"], "write OURS=THEIRS"),
        (["--column", "price=Px"], "has no column 'Px'"),
        (["--rate", "USD"], "write CURRENCY=EUR"),
        (["--rate", "USD=-1"], "the rate of USD is -1.0"),
        (["--as-of", "yesterday"], "write a time in UTC"),
        (["--as-of", "NaT"], "write a time in UTC"),
        (["--read", "nothing=day-first"], "--read names the column 'nothing'"),
        (["--out", "table.xlsx"], "end it with .csv or .parquet"),
    ],
)
def test_a_wrong_argument_is_refused_with_exit_code_2(answer, tmp_path, arguments, words):
    code, out, err = answer(saved(tmp_path, {}), *arguments)
    assert (code, out) == (2, "")
    assert words in err


def test_a_malformed_cell_is_named_with_exit_code_2(answer, tmp_path):
    code, _, err = answer(saved(tmp_path, {}, {"price": "30 or so"}))
    assert code == 2
    assert "trades.csv, line 3, column 'price': '30 or so' is not a number" in err


def test_nothing_of_a_file_reaches_the_terminal_as_a_command(answer, tmp_path):
    evil = "\x1b]0;owned\x07\u202e"
    path = saved(tmp_path, {"trade_id": f"{evil}1", "lei_like": "", "hub": f"{evil}X"}, {"venue": f"{evil}V"})
    for arguments in ([], ["--json"]):
        code, out, err = answer(path, *arguments)
        assert code == 1
        assert not {"\x1b", "\x07", "\u202e"} & {*out, *err}


def test_rates_methods_and_times_are_taken(answer, tmp_path):
    large = {"quantity_units": 1e9, "price": 10.0, "currency": "USD", "cleared": True, "delivery_end": "2030-12-31"}
    early = large | {"trade_ts": "2023-01-05T10:00:00", "reported_ts": None}
    path = saved(tmp_path, early, {"trade_ts": "2024-02-01T10:00:00", "reported_ts": "2024-02-01T12:00:00"})
    _, out, _ = answer(path, "--rate", "USD=0.5", "--regime", "emir")
    assert "4,000,000,000 EUR  exceeded, so the firm is NFC+ and must clear: month-end positions" in out
    _, out, _ = answer(path, "--emir-method", "uncleared", "--regime", "emir")
    assert "4,000,000,000 EUR  not exceeded: month-end positions outside exchanges, not cleared" in out
    code, _, _ = answer(path, "--as-of", "2023-01-05T12:00:00", "--regime", "emir")
    assert code == 0


SHOWN = {"trade_id": "quux", "hub": "TTF", "trade_ts": "2024-03-0", "venue": "plugh", "delivery_start": "2024-06"}


@pytest.mark.parametrize("kind", ["personal", "secret", "denied"])
@pytest.mark.parametrize("column", SHOWN)
def test_no_cell_of_a_column_that_is_withheld_is_told(called, tmp_path, workspace, column, kind):
    future = {"instrument": "future", "venue": "exchange", "quantity_lots": 1_300.0, "trade_ts": "2024-03-05T10:00:00"}
    frame = trades(future, future | {"counterparty_id": "CP-2"}, {"venue": "plugh", "lei_like": ""})
    frame["trade_id"] = ["quux-1", "quux-2", "quux-3"]
    frame.rename(columns={"trade_id": "Deal No"}).to_csv(tmp_path / "trades.csv", index=False)
    named = "Deal No" if column == "trade_id" else column
    block = f"protection: {{{kind}: [{named}]}}" if kind != "denied" else f"explanation: {{denied_columns: [{named}]}}"
    ask = functools.partial(
        called, main, "compliance", "check", tmp_path / "trades.csv", "--column", "trade_id=Deal No"
    )
    told = list[str]()
    for settings in ("{}", block):
        workspace.settings_file.write_text(settings)
        out = tmp_path / f"table-{len(told)}.csv"
        found = [ask(*more, "--as-of", "2024-07-01", "--workspace", workspace.root) for more in ((), ("--json",))]
        found.append(ask("--out", out, "--workspace", workspace.root))
        assert [code for code, _, _ in found] == [1, 1, 1]
        told.append("".join(text for _, text, _ in found) + out.read_text())
    assert SHOWN[column] in told[0]
    assert SHOWN[column] not in told[1]
    assert column != "trade_id" or "row 1" in told[1]


def test_a_program_says_which_columns_are_withheld(tmp_path):
    from bondx.ml import check_trades_file

    path = saved(tmp_path, {"trade_id": "quux", "lei_like": ""})
    assert check_trades_file(path).findings[0].trade_id == "quux"
    assert check_trades_file(path, withheld=["trade_*"]).findings[0].trade_id == "row 0"


@pytest.mark.parametrize("column", ["delivery_start", "delivery_end"])
def test_days_in_the_wrong_order_are_not_quoted_if_one_of_them_is_withheld(called, tmp_path, workspace, column):
    workspace.settings_file.write_text(f"protection: {{secret: [{column}]}}")
    path = saved(tmp_path, {"delivery_start": "2024-06-01", "delivery_end": "2024-05-30"})
    code, _, err = called(main, "compliance", "check", path, "--workspace", workspace.root)
    assert (code, "2024-0" in err) == (2, False)
    assert "a day is before that of 'delivery_start'" in err
