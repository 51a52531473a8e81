import itertools
import json
import subprocess
import sys
from datetime import date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bondx.ml import ETRMDataConfig, SyntheticETRMDataGenerator
from core.domains.etrm.data import calibration as cal
from core.domains.etrm.data import generate, write_data_set
from core.domains.etrm.data.documents import document_counts
from core.domains.etrm.data.invariants import mark_error, position_error, report_faults, text_faults
from core.domains.etrm.data.market import open_market
from core.domains.etrm.data.texts import DOCUMENT_KINDS, FORMS, form_of, grammar, read_document, write_document
from core.files import FolderInUseError, sha256_of

SMALL = {"num_trades": 700, "num_positions": 200, "num_risk_reports": 24}
FILES = {
    "trades.csv",
    "trades.parquet",
    "positions.csv",
    "positions.parquet",
    "risk_reports.csv",
    "risk_reports.parquet",
    "compliance.csv",
    "compliance.parquet",
    "truth.csv",
    "truth.parquet",
    "text_descriptions.txt",
    "price_series.npz",
    "metadata.json",
    "SYNTHETIC.txt",
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("etrm") / "set"
    return folder, write_data_set(ETRMDataConfig(**SMALL), folder)


@pytest.fixture(scope="module")
def data():
    return generate(ETRMDataConfig(**SMALL))


def spot_table(series):
    """Return the spot prices as the rows that market comments are about."""
    dates = np.repeat(series["dates"].astype(str), len(series["names"]))
    names = np.tile(series["names"], len(series["dates"]))
    return pd.DataFrame({"date": dates, "hub": names, "price": series["spot"].ravel()})


def test_the_example_of_the_guide_returns_everything():
    config = ETRMDataConfig(
        num_trades=5000, num_risk_reports=200, start_date=datetime(2023, 1, 1), end_date=datetime(2024, 12, 31)
    )
    data = SyntheticETRMDataGenerator(config).generate_complete_dataset()
    assert (len(data["trades"]), len(data["positions"]), len(data["risk_reports"])) == (5000, 500, 200)
    assert len(data["compliance"]) == 4 * 5000
    assert data["metadata"]["commodities"] == list(cal.COMMODITIES)
    assert data["price_series"]["spot"].shape[1] == len(data["price_series"]["names"])
    assert all(isinstance(line, str) for line in data["text_descriptions"])
    assert all(data["metadata"]["gates"].values())


def test_the_files_are_all_there_and_their_hashes_are_those_in_the_metadata(written):
    folder, metadata = written
    assert {path.name for path in folder.iterdir()} == FILES
    assert json.loads((folder / "metadata.json").read_text()) == json.loads(json.dumps(metadata))
    for name, record in metadata["files"].items():
        assert sha256_of(folder / name) == record["sha256"]
    assert set(metadata["files"]) == FILES - {"metadata.json"}
    assert metadata["row_counts"]["trades"] == 700
    assert {"positions_are_sums_of_trades", "change_of_value_explained", "mark_to_market"} < set(metadata["gates"])
    assert all(metadata["gates"].values())
    assert metadata["calibration_sha256"] == cal.digest()


def test_the_same_settings_give_the_same_bytes(written, tmp_path):
    folder, _ = written
    write_data_set(ETRMDataConfig(**SMALL), tmp_path / "again")
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


def test_every_file_says_that_it_is_synthetic(written):
    folder, _ = written
    for name in ("trades", "positions", "risk_reports", "compliance", "truth"):
        assert pd.read_csv(folder / f"{name}.csv")["synthetic"].all()
        assert pd.read_parquet(folder / f"{name}.parquet")["synthetic"].all()
    assert all(line.startswith("SYN-") for line in (folder / "text_descriptions.txt").read_text().splitlines())
    assert "Synthetic" in str(np.load(folder / "price_series.npz")["notice"])
    assert json.loads((folder / "metadata.json").read_text())["synthetic"] is True


def test_csv_and_parquet_hold_the_tables_of_the_data_set(written, data):
    folder, _ = written
    for name in ("trades", "positions", "risk_reports", "compliance"):
        table = getattr(data, name)
        csv, parquet = pd.read_csv(folder / f"{name}.csv"), pd.read_parquet(folder / f"{name}.parquet")
        assert list(csv.columns) == list(parquet.columns) == [*table.columns, "synthetic"]
        assert len(csv) == len(parquet) == len(table)
        for column in table.select_dtypes("number"):
            assert np.array_equal(parquet[column].to_numpy(), table[column].to_numpy(), equal_nan=True)
            assert np.allclose(csv[column].to_numpy(), table[column].to_numpy(), rtol=1e-12, equal_nan=True)


def test_files_written_in_pieces_hold_the_same_rows(monkeypatch, tmp_path):
    monkeypatch.setattr("core.domains.etrm.data.trades.BLOCK_TRADES", 200)
    config = ETRMDataConfig(**SMALL)
    write_data_set(config, tmp_path / "set")
    for name in ("trades", "compliance", "positions"):
        table = getattr(generate(config), name)
        parquet = pd.read_parquet(tmp_path / "set" / f"{name}.parquet")
        for column in table.select_dtypes(exclude="datetime"):
            assert table[column].astype("str").tolist() == parquet[column].astype("str").tolist()
    assert position_error(generate(config).trades, generate(config).positions) <= 1e-9


def test_a_folder_in_use_is_left_as_it_is(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FolderInUseError, match=r"is not empty\. Choose another folder, or empty this one\.$"):
        write_data_set(ETRMDataConfig(**SMALL), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("place", ["arrays_file", "sha256_of"])
def test_interrupted_writing_leaves_nothing_half_written(place, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    old = tmp_path / "set"
    write_data_set(ETRMDataConfig(num_trades=10, num_risk_reports=0), old)
    before = {path.name: path.read_bytes() for path in old.iterdir()}
    monkeypatch.setattr(f"core.domains.etrm.data.files.{place}", interrupt)
    for folder, overwrite in ((old, True), (tmp_path / "new", False)):
        with pytest.raises(KeyboardInterrupt):
            write_data_set(ETRMDataConfig(num_trades=20, num_risk_reports=0), folder, overwrite=overwrite)
    assert {path.name: path.read_bytes() for path in old.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


@settings(max_examples=8, deadline=None)
@given(
    st.integers(1, 600),
    st.integers(0, 2**63 - 1),
    st.lists(st.sampled_from(cal.COMMODITIES), min_size=1, unique=True),
    st.integers(1, 400),
)
def test_every_data_set_keeps_its_invariants(n, seed, commodities, length):
    config = ETRMDataConfig(
        num_trades=n,
        random_seed=seed,
        commodities=commodities,
        start_date=date(2021, 3, 1),
        end_date=date.fromordinal(date(2021, 3, 1).toordinal() + length),
    )
    data = generate(config)
    assert position_error(data.trades, data.positions) <= 1e-9
    assert mark_error(data.positions) <= 1e-9
    assert report_faults(data.risk_reports) == []
    tables = {name: getattr(data, name) for name in ("trades", "positions", "risk_reports", "compliance")}
    assert text_faults(data.text_descriptions, **tables, spot=spot_table(data.price_series)) == []
    assert all(data.metadata["gates"].values())


def test_the_facts_of_each_text_are_those_of_its_row(data):
    tables = {name: getattr(data, name) for name in ("trades", "positions", "risk_reports", "compliance")}
    spot = spot_table(data.price_series)
    assert text_faults(data.text_descriptions, **tables, spot=spot) == []
    told = next(line for line in data.text_descriptions if (reading := read_document(line)) and reading.kind == "trade")
    reading = read_document(told)
    assert reading is not None
    wrong = told.replace(f" {reading.facts['price']} ", " 12345.0000 ")
    assert text_faults([wrong], **tables, spot=spot) != []
    assert text_faults(["SYN-000001 Buy now!"], **tables, spot=spot) != []


def test_documents_have_the_stated_shares_as_far_as_there_are_rows(data):
    counts = document_counts(open_market(ETRMDataConfig(**SMALL)))
    kinds = [reading.kind for line in data.text_descriptions if (reading := read_document(line))]
    assert sum(counts.values()) == 700
    for kind in DOCUMENT_KINDS:
        most = {"position": len(data.positions), "risk": len(data.risk_reports)}.get(kind, counts[kind])
        assert kinds.count(kind) == min(counts[kind], most)


OPTION_TERMS = "option_type=call strike=60.00"


@pytest.mark.parametrize("form", FORMS)
def test_a_wording_has_one_derivation_and_all_probabilities_add_up_to_one(form):
    kind = FORMS[form]
    facts = {
        "trade": "trade_id=T000000001 status=amended side=buy quantity_lots=5 commodity=POWER hub=DE "
        "delivery_start=2023-01-01 delivery_end=2023-01-31 price=-1.5000 currency=EUR unit=MWh "
        "counterparty_id=CP-0001 settlement=cash",
        "position": "as_of_date=2023-01-31 book=PROP direction=long net_quantity_units=5.0 unit=t hub=EUA "
        "delivery_month=2023-02-01 mark_price=70.0000 currency=EUR mtm=-3.20",
        "risk": "as_of_date=2023-01-31 book=PROP var99_hist=1.00 limit_var=2.00 utilisation=0.5000 verdict=within",
        "compliance": "regime=dodd-frank trade_id=T000000001 status=late flag=late_report",
        "market": "date=2023-01-31 hub=DE move=up change=1.00 price=60.00 currency=EUR unit=MWh",
    }[kind]
    facts += f" {OPTION_TERMS}" if form != kind else ""
    facts = dict(part.split("=") for part in facts.split())
    assert form_of(kind, facts) == form
    choices = grammar()[form]
    total, seen = 0.0, set()
    for places in itertools.product(*(range(len(choice.wordings)) for choice in choices)):
        uniform = [
            float(np.cumsum([0.0, *choice.odds])[place] + choice.odds[place] / 2)
            for choice, place in zip(choices, places, strict=True)
        ]
        line = write_document("SYN-000001", kind, facts, uniform)
        reading = read_document(line)
        assert reading is not None
        assert (reading.kind, reading.form, dict(reading.facts)) == (kind, form, facts)
        total += np.exp(reading.log_probability)
        seen.add(line)
    assert total == pytest.approx(1)
    assert len(seen) == np.prod([len(choice.wordings) for choice in choices])


def test_no_document_of_one_kind_is_one_of_another(data):
    from core.domains.etrm.data.texts import _pattern

    for line in data.text_descriptions:
        assert sum(_pattern(form).fullmatch(line) is not None for form in FORMS) == 1


def test_options_are_told_with_their_terms_and_trades_with_their_status():
    data = generate(ETRMDataConfig(**SMALL | {"num_trades": 4_000}))
    readings = [reading for line in data.text_descriptions if (reading := read_document(line))]
    rows = data.trades.set_index("trade_id")
    told = {reading.facts["trade_id"]: reading for reading in readings if reading.kind == "trade"}
    assert {reading.facts["status"] for reading in told.values()} == {"new", "amended", "cancelled"}
    options = [trade_id for trade_id in told if rows.loc[trade_id, "instrument"] == "option"]
    assert len(options) > 20
    for trade_id in options:
        facts, row = told[trade_id].facts, rows.loc[trade_id]
        assert (facts["option_type"], float(facts["strike"])) == (row["option_type"], row["strike"])
        assert float(facts["price"]) == row["price"]
    assert {reading.form for reading in readings} == set(FORMS)
    for trade_id, reading in told.items():
        assert reading.facts["status"] == rows.loc[trade_id, "status"]
        assert ("option_type" in reading.facts) == (rows.loc[trade_id, "instrument"] == "option")


def test_the_rules_find_what_was_injected(data):
    flags = data.compliance["flag"].astype("str").groupby(data.compliance["trade_id"]).agg("+".join)
    truth = data.truth.set_index("trade_id")["injected_violation"].astype("str")
    for name in ("late_report", "missing_lei", "limit_breach"):
        assert all(name in flags[trade_id] for trade_id in truth.index[truth == name])


def test_the_data_set_is_the_same_whatever_the_hash_seed_of_python(tmp_path):
    code = (
        "import sys; from pathlib import Path; from core.domains.etrm.data import ETRMDataConfig, write_data_set;"
        "print(write_data_set(ETRMDataConfig(num_trades=60, num_risk_reports=8), Path(sys.argv[1]))['files'])"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / seed)],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(answers) == 1
