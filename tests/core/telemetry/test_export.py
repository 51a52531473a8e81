"""Telemetry as files: every row of the period once, typed, in UTC; the whole folder or nothing."""

import csv
import hashlib
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import NotFoundError, UsageError
from core.files import FolderInUseError
from core.losses import AnswerForm, AnswerKind, pack_probabilities
from core.settings import TelemetrySettings
from core.telemetry.chunk import to_us
from core.telemetry.export import KINDS, ExportFormat, ExportKind, ExportRequest, export_telemetry
from core.telemetry.predictions import Arm, OutcomeRecord, PredictionRecord, PredictionWriter, TrafficGrain
from core.telemetry.store import EpochMetric, MetricSample, TelemetryStore

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOW = NOON + timedelta(hours=3)
RATING = AnswerForm(AnswerKind.PROBABILITIES, ("A", "B"))


@pytest.fixture
def stores(tmp_path: Path) -> tuple[Path, Path]:
    """Fill both stores, and return their files."""
    predictions, series = tmp_path / "predictions.db", tmp_path / "telemetry.db"
    with PredictionWriter(predictions, clock=lambda: NOON, commit_seconds=60) as writer:
        for number in range(6):
            at = NOON + timedelta(minutes=20 * number)
            writer.add(PredictionRecord(f"request-{number}", at, "spread", "1.1.0", 2.0 + number, value=0.25 * number))
        in_rollout = {"rollout_id": "ro-0001", "share": 0.5, "unit": -7}
        probabilities = pack_probabilities([0.25, 0.75])
        writer.add(
            PredictionRecord("=cmd()", NOON, "rating", "2.0.0", 1.5, form=RATING, detail=probabilities, **in_rollout)
        )
        writer.add(PredictionRecord("copy", NOON, "rating", "2.1.0", None, error=True, arm=Arm.SHADOW, **in_rollout))
        for number in (1, 2):
            writer.add_outcome(OutcomeRecord(f"request-{number}", NOON + timedelta(minutes=number), actual=0.5))
        writer.add_outcome(OutcomeRecord("=cmd()", NOON + timedelta(minutes=3), name="=B\n"))
        writer.flush()
    store = TelemetryStore(series, TelemetrySettings())
    samples = [MetricSample("resource.cpu", to_us(NOON + timedelta(seconds=n)), float(n)) for n in range(90)]
    epochs = [EpochMetric("r-0001", n, name, to_us(NOON), 0.5) for n in (1, 2) for name in ("rating.loss", "score")]
    lost = EpochMetric("r-0001", 3, "score", to_us(NOON), float("inf"))
    store.write(samples, [*epochs, lost, EpochMetric("~heartbeats", 0, "r-0001", to_us(NOON), 1.0)])
    store.roll_up(NOW)
    store.close()
    return predictions, series


def export(stores, out: Path, **more):
    kinds = more.pop("kinds", tuple(ExportKind))
    return export_telemetry(*stores, out, ExportRequest(kinds=kinds, **more), now=NOW)


def rows_of(out: Path, kind: ExportKind) -> list[dict]:
    return pq.read_table(out / f"{kind}.parquet").to_pylist()


def test_every_kind_is_a_file_with_its_documented_columns_and_types(stores, tmp_path):
    made = export(stores, tmp_path / "out")
    assert [(file.what, file.n_rows) for file in made.files] == [
        ("predictions", 8), ("outcomes", 3), ("metrics", 7), ("resources", 2), ("epochs", 5)
    ]  # fmt: skip
    for file in made.files:
        path = tmp_path / "out" / file.file
        schema = pq.read_schema(path)
        assert schema.names == [column.name for column in KINDS[file.what]]
        assert all(field.metadata[b"about"] for field in schema)
        assert schema.field("at").type == pa.timestamp("us", tz="UTC")
        assert path.stat().st_size == file.n_bytes


def test_predictions_have_their_route_their_answer_and_the_number_of_their_request(stores, tmp_path):
    export(stores, tmp_path / "out", kinds=(ExportKind.PREDICTIONS,))
    rows = rows_of(tmp_path / "out", ExportKind.PREDICTIONS)
    number = int.from_bytes(hashlib.blake2b(b"request-3", digest_size=8).digest(), "big", signed=True)
    assert (rows[3]["at"], rows[3]["request"], rows[3]["value"]) == (NOON + timedelta(hours=1), number, 0.75)
    assert (rows[3]["rollout"], rows[3]["caller"], rows[3]["answer"]) == (None, None, None)
    assert (rows[6]["answer"], rows[6]["caller"], rows[6]["rollout"]) == ('{"A":0.25,"B":0.75}', -7, "ro-0001")
    assert (rows[7]["failed"], rows[7]["arm"], rows[7]["latency_ms"]) == (True, "shadow", None)


def test_an_outcome_is_beside_its_prediction(stores, tmp_path):
    export(stores, tmp_path / "out", kinds=(ExportKind.OUTCOMES,))
    first, _, third = rows_of(tmp_path / "out", ExportKind.OUTCOMES)
    assert (first["actual"], first["value"], first["model"]) == (0.5, 0.25, "spread")
    assert first["predicted_at"] == NOON + timedelta(minutes=20)
    assert (third["actual_class"], third["answer"], third["version"]) == ("=B\n", '{"A":0.25,"B":0.75}', "2.0.0")


def test_the_period_and_the_model_choose_the_rows(stores, tmp_path):
    period = {"since": NOON + timedelta(minutes=20), "until": NOON + timedelta(minutes=60)}
    made = export(stores, tmp_path / "a", kinds=(ExportKind.PREDICTIONS, ExportKind.METRICS), **period)
    assert [file.n_rows for file in made.files] == [2, 2]
    of_model = tuple(kind for kind in ExportKind if kind is not ExportKind.RESOURCES)
    made = export(stores, tmp_path / "b", kinds=of_model, model="rating", by=TrafficGrain.HOUR)
    assert [file.n_rows for file in made.files] == [2, 1, 1, 2]
    assert [row["metric"] for row in rows_of(tmp_path / "b", ExportKind.EPOCHS)] == ["rating.loss"] * 2


def test_a_value_that_is_not_finite_is_missing_and_minutes_have_their_quantiles(stores, tmp_path):
    export(stores, tmp_path / "out")
    assert rows_of(tmp_path / "out", ExportKind.EPOCHS)[-1]["value"] is None
    minute, _ = rows_of(tmp_path / "out", ExportKind.RESOURCES)
    assert (minute["n"], minute["mean"], minute["low"], minute["high"]) == (60, 29.5, 0.0, 59.0)
    assert minute["p50"] == pytest.approx(29.5, rel=0.05)


def test_csv_has_times_in_utc_texts_that_no_spreadsheet_runs_and_empty_cells_for_missing_values(stores, tmp_path):
    export(stores, tmp_path / "out", format=ExportFormat.CSV)
    with (tmp_path / "out" / "outcomes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["at"] == "2026-03-02T12:01:00.000000Z"
    assert (rows[0]["actual"], rows[0]["actual_class"]) == ("0.5", "")
    assert rows[2]["actual_class"] == "'=B\\n"
    with (tmp_path / "out" / "predictions.csv").open(newline="") as file:
        read = list(csv.reader(file))
    assert read[0] == [column.name for column in KINDS[ExportKind.PREDICTIONS]]
    assert read[8][8] == "true"


def test_a_long_table_is_written_in_groups_and_no_row_is_lost_at_their_edges(stores, tmp_path, monkeypatch):
    monkeypatch.setattr("core.telemetry.export.predictions.PAGE_ROWS", 3)
    monkeypatch.setattr("core.telemetry.export.predictions._PAGE_OUTCOMES", 2)
    monkeypatch.setattr("core.telemetry.export.series.PAGE_ROWS", 1)
    monkeypatch.setattr("core.telemetry.export.files.GROUP_ROWS", 3)
    made = export(stores, tmp_path / "out")
    assert [file.n_rows for file in made.files] == [8, 3, 7, 2, 5]
    file = pq.ParquetFile(tmp_path / "out" / "predictions.parquet")
    assert file.num_row_groups == 3
    assert [row["number"] for row in rows_of(tmp_path / "out", ExportKind.PREDICTIONS)] == list(range(1, 9))


def test_stores_that_are_not_there_give_tables_without_rows(tmp_path):
    made = export((tmp_path / "none.db", tmp_path / "no.db"), tmp_path / "out")
    assert [file.n_rows for file in made.files] == [0] * 5
    assert rows_of(tmp_path / "out", ExportKind.PREDICTIONS) == []


@pytest.mark.parametrize(
    ("more", "error", "says"),
    [
        pytest.param({"kinds": ()}, UsageError, "Name what to export", id="nothing"),
        pytest.param({"kinds": (ExportKind.EPOCHS,) * 2}, UsageError, "once", id="a kind twice"),
        pytest.param({"since": NOW}, UsageError, "must end after", id="no time"),
        pytest.param({"model": "spread"}, UsageError, "Resources are the machine's", id="resources of a model"),
        pytest.param(
            {"model": "sprad", "kinds": (ExportKind.PREDICTIONS,)}, NotFoundError, "Nothing is stored of 'sprad'",
            id="an unknown model",
        ),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_met_is_refused_and_leaves_nothing(stores, tmp_path, more, error, says):
    with pytest.raises(error, match=says):
        export(stores, tmp_path / "out", **more)
    assert sorted(path.name for path in tmp_path.glob("*out*")) == []


def test_a_folder_with_files_is_refused_and_left_alone(stores, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(FolderInUseError):
        export(stores, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_an_export_that_fails_on_the_way_leaves_nothing(stores, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("core.telemetry.export.writing.epoch_rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export(stores, tmp_path / "out")
    assert [path for path in tmp_path.rglob("*") if "out" in path.name] == []


_TERMINATED = """
import os, signal, sys
import core.telemetry.export.writing as writing
def killed(*_):
    os.kill(os.getpid(), signal.SIGTERM)
    yield []
writing.epoch_rows = killed
from console.cli.main import main
sys.exit(main(["telemetry", "export", "--out", sys.argv[1]]))
"""


def test_a_terminated_command_leaves_nothing(tmp_path):
    home = tmp_path / "home"
    environment = os.environ | {"BONDX_HOME": str(home)}
    bondx = [sys.executable, "-m", "bondx"]
    subprocess.run([*bondx, "init"], env=environment, check=True, capture_output=True)
    command = [sys.executable, "-c", _TERMINATED, str(tmp_path / "out")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 128 + signal.SIGTERM, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_the_page_lists_every_column_with_its_type_and_content():
    page = (Path(__file__).parents[3] / "docs" / "monitoring.md").read_text()
    for kind, columns in KINDS.items():
        rows = [f"| `{column.name}` | {column.type} | {column.about} |" for column in columns]
        table = "\n".join([f"| Column of `{kind}` | Type | Content |", "| --- | --- | --- |", *rows])
        assert table in page
