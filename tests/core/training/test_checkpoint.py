import pytest

from core.training.checkpoint import Checkpoints
from core.training.convergence import EpochScore
from core.training.errors import CheckpointDamagedError
from core.training.records import DrawRecord, EpochRecord


def a_record(epoch):
    draw = DrawRecord(purpose="draw", seed=1, n_rows=10, n_groups=2, sha256="0" * 64)
    return EpochRecord(
        epoch=epoch,
        learned=True,
        draw=draw,
        n_learned_rows=8,
        n_holdout_rows=2,
        gates=(),
        quality_score=0.9,
        score=0.8,
        metrics={"spread.r2": 0.8},
        holdout={},
    )


def a_model(content):
    def save(folder):
        (folder / "spread").mkdir(parents=True)
        (folder / "spread" / "model.txt").write_text(content)

    return save


@pytest.fixture
def checkpoints(tmp_path):
    kept = Checkpoints(tmp_path / "s-0001")
    for epoch in (1, 2):
        kept.write(a_record(epoch), (EpochScore(0.8, 0.9),) * epoch, a_model(f"epoch {epoch}"))
    return kept


def test_a_session_continues_from_the_newest_checkpoint(checkpoints):
    newest, damaged = checkpoints.newest()
    assert (newest.epoch, damaged) == (2, ())
    assert (newest.models / "spread" / "model.txt").read_text() == "epoch 2"
    assert len(newest.manifest.history) == 2


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda folder: (folder / "models/spread/model.txt").write_text("forged"), id="a changed model"),
        pytest.param(lambda folder: (folder / "models/spread/model.txt").unlink(), id="a missing model"),
        pytest.param(lambda folder: (folder / "checkpoint.json").write_text("{"), id="a torn manifest"),
        pytest.param(lambda folder: (folder / "checkpoint.json").unlink(), id="no manifest"),
    ],
)
def test_a_damaged_checkpoint_is_skipped_in_favour_of_the_previous_one(checkpoints, damage):
    damage(checkpoints.folder / "epoch_0002")
    newest, (problem,) = checkpoints.newest()
    assert newest.epoch == 1
    assert "epoch_0002" in str(problem)


def test_the_same_content_has_the_same_hash(checkpoints, tmp_path):
    again = Checkpoints(tmp_path / "elsewhere").write(a_record(1), (EpochScore(0.8, 0.9),), a_model("epoch 1"))
    assert again.sha256 == checkpoints.read(1).sha256


def test_files_left_by_a_killed_writer_are_neither_read_nor_kept(checkpoints):
    (checkpoints.folder / "epoch_0003.new").mkdir()
    assert checkpoints.newest()[0].epoch == 2
    checkpoints.keep_only({2})
    assert [entry.name for entry in checkpoints.folder.iterdir()] == ["epoch_0002"]


def test_without_a_checkpoint_a_session_starts_from_scratch(tmp_path):
    assert Checkpoints(tmp_path / "none").newest() == (None, ())
    with pytest.raises(CheckpointDamagedError):
        Checkpoints(tmp_path / "none").read(1)
