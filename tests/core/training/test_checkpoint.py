import json

import pytest

from core.training.checkpoint import Checkpoints
from core.training.errors import CheckpointDamagedError
from core.training.records import DrawRecord, EpochRecord
from core.training.scores import EpochScore, EpochScores


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
        kept.write(a_record(epoch), EpochScores([EpochScore(0.8, 0.9)] * epoch), a_model(f"epoch {epoch}"))
    return kept


def test_a_session_continues_from_the_newest_checkpoint(checkpoints):
    newest, damaged = checkpoints.newest()
    assert (newest.epoch, damaged) == (2, ())
    assert (newest.models / "spread" / "model.txt").read_text() == "epoch 2"
    assert len(newest.history) == 2


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
    again = Checkpoints(tmp_path / "elsewhere").write(
        a_record(1), EpochScores([EpochScore(0.8, 0.9)]), a_model("epoch 1")
    )
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


def scores(n):
    return EpochScores(EpochScore(None if epoch % 7 == 0 else epoch / 1000, 0.9) for epoch in range(n))


def test_a_checkpoint_does_not_grow_with_the_session(tmp_path, monkeypatch):
    monkeypatch.setattr("core.training.score_history.SEGMENT_EPOCHS", 10)
    kept = Checkpoints(tmp_path / "s-0001")
    sizes = {}
    for epoch in range(1, 236):
        written = kept.write(a_record(epoch), scores(epoch), a_model("the same"))
        assert written.history == scores(epoch)
        sizes[epoch] = (written.folder / "checkpoint.json").stat().st_size
        kept.keep_only({epoch})
    assert sizes[235] < sizes[25] + 10
    assert len(list((tmp_path / "s-0001" / "scores").iterdir())) == 23
    newest, damaged = Checkpoints(tmp_path / "s-0001").newest()
    assert (newest.history, damaged) == (scores(235), ())


def test_a_session_that_continues_from_an_earlier_checkpoint_leaves_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr("core.training.score_history.SEGMENT_EPOCHS", 10)

    def bytes_below(folder):
        return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}

    for name, epochs in (("peaceful", range(1, 36)), ("violent", [*range(1, 31), *range(19, 36)])):
        kept = Checkpoints(tmp_path / name)
        for epoch in epochs:
            if epoch == 19:
                kept = Checkpoints(tmp_path / name)  # another process
                kept.read(18)
            kept.write(a_record(epoch), scores(epoch), a_model("the same"))
    assert bytes_below(tmp_path / "violent") == bytes_below(tmp_path / "peaceful")


def test_a_checkpoint_whose_earlier_scores_were_changed_is_damaged(tmp_path, monkeypatch):
    monkeypatch.setattr("core.training.score_history.SEGMENT_EPOCHS", 10)
    kept = Checkpoints(tmp_path / "s-0001")
    for epoch in (9, 25):
        kept.write(a_record(epoch), scores(epoch), a_model("the same"))
    segment = tmp_path / "s-0001" / "scores" / "scores_000001.json"
    segment.write_bytes(segment.read_bytes().replace(b"0.001", b"0.999"))
    newest, (problem,) = Checkpoints(tmp_path / "s-0001").newest()
    assert newest.epoch == 9
    assert "scores_000001.json: its hash differs" in str(problem)
    segment.unlink()
    assert "cannot be read" in str(Checkpoints(tmp_path / "s-0001").newest()[1][0])


def test_a_checkpoint_of_an_earlier_release_keeps_its_whole_history(tmp_path):
    kept = Checkpoints(tmp_path / "s-0001")
    written = kept.write(a_record(3), scores(3), a_model("the same"))
    file = written.folder / "checkpoint.json"
    document = json.loads(file.read_bytes())
    del document["n_in_segments"], document["last_segment_sha256"]
    file.write_text(json.dumps(document))
    assert Checkpoints(tmp_path / "s-0001").read(3).history == scores(3)
