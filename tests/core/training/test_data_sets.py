"""The data sets that a session leaves, and their reproduction from its report alone."""

import json

import msgspec
import pandas as pd
import pytest

from bondx import reproduce_data
from core.errors import NotFoundError, RefusedError, UsageError
from core.settings import ModelSettings, TrainingSettings
from core.settings.datasets import DataSetSettings
from core.training import panels as panels_module
from core.training.convergence import Judgement
from core.training.data_lineage import DataSetLineage, kept_data_sets
from core.training.digest import digest_of
from core.training.epoch_reports import EpochReports
from core.training.reports import epoch_report, final_report, final_report_json
from core.training.reproduction import AnotherDataSetError
from core.training.session import as_document
from core.training.session_domain import checked, domain_of
from core.training.session_work import SessionWork
from tests.core.training.test_session_work import contents

SETTINGS = TrainingSettings(
    random_seed=7,
    dataset_size=60,
    max_epochs=3,
    models={"liquidity_shock": ModelSettings(algorithm="linear")},
    datasets=DataSetSettings(keep="epochs"),
)
FINAL = {"epoch_0003", "validation", "test", "test_new_macro"}


@pytest.fixture(autouse=True, scope="module")
def small_panels():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(panels_module, "VALIDATION_ROWS", 100)
        patch.setattr(panels_module, "TEST_ROWS", 120)
        yield


def run(settings, folder):
    """Run a session, and write its reports as the engine does."""
    work = SessionWork(settings, folder / "checkpoints", data_folder=folder / "datasets")
    records = [work.run_epoch(epoch).record for epoch in range(1, settings.max_epochs + 1)]
    final = work.finish()
    reports = EpochReports(folder / "epochs")
    for record in records:
        reports.write(record.epoch, epoch_report(record, notice="synthetic"))
    report = final_report(
        as_document(checked(settings)),
        work._newest.history,
        records[-1],
        final,
        judgement=Judgement("epoch limit", "all epochs are done"),
        announcements=(),
        notice="synthetic",
    )
    (folder / "final_report.json").write_bytes(final_report_json(report))
    return folder


@pytest.fixture(scope="module")
def session(small_panels, tmp_path_factory):
    return run(SETTINGS, tmp_path_factory.mktemp("session"))


def test_a_session_keeps_every_epoch_and_the_final_data_in_three_formats_with_their_lineage(session):
    kept = {folder.name: folder for folder in (session / "datasets").iterdir()}
    assert kept.keys() == FINAL | {"epoch_0001", "epoch_0002"}
    listed = kept_data_sets(session / "datasets")
    assert [lineage.name for lineage in listed] == sorted(kept)
    for name, folder in kept.items():
        lineage = msgspec.json.decode((folder / "lineage.json").read_bytes(), type=DataSetLineage)
        assert (lineage.name, lineage.random_seed, lineage.domain, lineage.synthetic) == (name, 7, "bonds", True)
        assert lineage.files.keys() == {"data.csv", "data.jsonl", "data.parquet", "truth.parquet"}
        frames = (pd.read_parquet(folder / "data.parquet"), pd.read_csv(folder / "data.csv"))
        lines = (folder / "data.jsonl").read_text().splitlines()
        n_rows = lineage.content.n_rows
        assert [*map(len, frames), len(lines)] == [n_rows] * 3
        assert json.loads(lines[0])["bond_id"] == frames[0]["bond_id"][0] == frames[1]["bond_id"][0]
        assert frames[0]["spread_bps"].tolist() == frames[1]["spread_bps"].tolist()
        assert domain_of(SETTINGS).notice in (folder / "SYNTHETIC.txt").read_text()


def test_by_default_only_the_final_data_sets_stay_and_none_where_the_settings_say_so(tmp_path):
    one = msgspec.structs.replace(SETTINGS, max_epochs=1, datasets=DataSetSettings(formats=("csv",)))
    kept = run(one, tmp_path / "final") / "datasets"
    assert {folder.name for folder in kept.iterdir()} == {"epoch_0001", "validation", "test", "test_new_macro"}
    assert not list(kept.rglob("data.parquet")) + list(kept.rglob("data.jsonl"))
    none = msgspec.structs.replace(one, datasets=DataSetSettings(keep="none"))
    assert not (run(none, tmp_path / "none") / "datasets").exists()


def test_the_bare_report_alone_reproduces_the_final_data_sets_byte_for_byte(session, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    bare = tmp_path / "elsewhere" / "final_report.json"
    bare.write_bytes((session / "final_report.json").read_bytes())
    made = reproduce_data(bare, tmp_path / "out")
    assert {each.lineage.name for each in made} == FINAL
    for each in made:
        assert contents(each.folder) == contents(session / "datasets" / each.lineage.name)


def test_the_reports_of_the_epochs_beside_it_reproduce_every_epoch_and_the_draws_of_the_refit(session, tmp_path):
    report = session / "final_report.json"
    made = reproduce_data(report, tmp_path, epochs=[1, 2], panels=["draws"])
    assert [each.lineage.name for each in made] == ["epoch_0001", "epoch_0002", "draws"]
    for each in made[:2]:
        assert contents(each.folder) == contents(session / "datasets" / each.lineage.name)
    assert made[2].lineage.content.n_rows == 180
    with pytest.raises(NotFoundError, match="no report of epoch 9"):
        reproduce_data(report, tmp_path / "more", epochs=[9])
    with pytest.raises(NotFoundError, match="Its panels: draws, validation, test, test_new_macro"):
        reproduce_data(report, tmp_path / "more", panels=["holdout"])


def test_other_data_are_refused_with_both_hashes_and_nothing_is_written(session, tmp_path):
    report = json.loads((session / "final_report.json").read_bytes())
    reported = {panel["purpose"]: panel["sha256"] for panel in report["panels"]}
    report["settings"]["random_seed"] = 8
    changed = tmp_path / "final_report.json"
    changed.write_text(json.dumps(report))
    with pytest.raises(AnotherDataSetError) as refused:
        reproduce_data(changed, tmp_path / "out", panels=["test"])
    other = panels_module.SessionPanels(msgspec.structs.replace(SETTINGS, random_seed=8)).test("test")
    assert reported["test"] in str(refused.value)
    assert digest_of(other.panel.frame) in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_a_folder_in_use_and_a_file_that_is_no_report_are_refused(session, tmp_path):
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "mine.csv").write_text("1\n")
    with pytest.raises(RefusedError, match="not empty"):
        reproduce_data(session / "final_report.json", tmp_path, panels=["test"])
    with pytest.raises(UsageError, match="is not a final report"):
        reproduce_data(tmp_path / "test" / "mine.csv", tmp_path)
    with pytest.raises(NotFoundError, match="does not exist"):
        reproduce_data(tmp_path / "absent.json", tmp_path)


@pytest.mark.parametrize("name", ["epoch_", "epoch_abc", "epoch_-1", "epoch_٠٠٠١", "nothing"])
def test_a_panel_that_is_none_is_refused_by_name(session, tmp_path, name):
    with pytest.raises(NotFoundError, match=r"has no panel .*Its panels: draws, validation"):
        reproduce_data(session / "final_report.json", tmp_path / "out", panels=[name])
    assert not (tmp_path / "out").exists()


def test_the_report_names_the_command(session):
    report = json.loads((session / "final_report.json").read_bytes())
    assert report["reproduce"] == "bondx data reproduce final_report.json --out DIR"
    assert report["last_draw"]["sha256"]
