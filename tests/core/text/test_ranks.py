"""Training in several processes: as one trains, to the same bytes each time, with a reason where one dies."""

import os
import signal
import subprocess
import sys

import msgspec
import numpy as np
import psutil
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from safetensors.numpy import load_file  # noqa: E402

from console.cli.main import main as command_line  # noqa: E402
from core.errors import RefusedError, UsageError  # noqa: E402
from core.settings.text_model import TextModelSettings  # noqa: E402
from core.text.ranks import RankLostError, place_of_environment  # noqa: E402
from core.text.training import train_text_model  # noqa: E402

SMALL = TextModelSettings(
    architecture="decoder", documents=100, judged_documents=10, embedding_dim=16, hidden_dim=32, num_heads=2,
    num_layers=1, max_length=64, batch_size=7, max_steps=9, evaluation_steps=3, checkpoint_steps=2, warmup_steps=2,
    learning_rate=0.01, dropout=0.0,
)  # fmt: skip
CONFIG = """
text_model: {architecture: decoder, documents: 100, judged_documents: 10, embedding_dim: 16, hidden_dim: 32,
  num_heads: 2, num_layers: 1, max_length: 64, batch_size: 7, max_steps: 9, evaluation_steps: 3, checkpoint_steps: 2,
  warmup_steps: 2, learning_rate: 0.01, dropout: 0.0}
"""
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
COMMAND = "import sys; from console.cli.main import main; sys.exit(main())"


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """The folder of a model that two processes have trained."""
    path = tmp_path_factory.mktemp("together") / "model"
    train_text_model(SMALL, path, processes=2)
    return path


def weights(path) -> bytes:
    return (path / "weights.safetensors").read_bytes()


@pytest.mark.usefixtures("one_thread")
def test_two_processes_learn_what_one_learns(together, tmp_path):
    alone = train_text_model(SMALL, tmp_path / "alone")
    expected, found = (load_file(each / "weights.safetensors") for each in (tmp_path / "alone", together))
    assert expected.keys() == found.keys()
    for name, weight in expected.items():
        assert np.allclose(weight, found[name], rtol=1e-3, atol=1e-5), name
    curve = msgspec.json.decode((together / "model.json").read_bytes())["curve"]
    for own, other in zip(alone.curve, curve, strict=True):
        assert own.validation_nats == pytest.approx(other[2] if isinstance(other, list) else other["validation_nats"])


def test_the_same_training_has_the_same_bytes(together, tmp_path):
    train_text_model(SMALL, tmp_path / "again", processes=2)
    assert weights(tmp_path / "again") == weights(together)


def test_a_killed_process_is_told_and_the_training_goes_on_to_the_same_bytes(together, tmp_path):
    told = []

    def kill_the_second(progress):
        told.append(progress.step)
        if len(told) == 2:
            children = [each for each in psutil.Process().children() if "core.text.rank_child" in each.cmdline()]
            assert len(children) == 2
            max(children, key=lambda each: each.pid).kill()

    with pytest.raises(RankLostError, match=r"Process \d of the 2 that train was killed by SIGKILL"):
        train_text_model(SMALL, tmp_path / "model", report=kill_the_second, processes=2)
    assert not [each for each in psutil.Process().children() if "core.text.rank_child" in each.cmdline()]
    assert (tmp_path / "model" / "checkpoint.safetensors").exists()
    assert not (tmp_path / "model" / "weights.safetensors").exists()
    steps = []
    train_text_model(SMALL, tmp_path / "model", report=lambda progress: steps.append(progress.step), processes=2)
    assert steps[-1] == 9
    assert len(steps) < 3
    assert weights(tmp_path / "model") == weights(together)


def test_torchrun_trains_the_same(together, tmp_path):
    config, program = tmp_path / "text.yaml", tmp_path / "train.py"
    config.write_text(CONFIG)
    program.write_text(COMMAND)
    given = ["text", "train", "--config", str(config), "--out", str(tmp_path / "model")]
    environment = {**os.environ, "BONDX_HOME": str(tmp_path / "home"), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, *TORCHRUN, str(program), *given], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("weights: SHA-256") == 1
    assert weights(tmp_path / "model") == weights(together)


def test_the_command_tells_what_one_process_tells(together, tmp_path, capsys):
    config = tmp_path / "text.yaml"
    config.write_text(CONFIG)
    given = ["text", "train", "--config", str(config), "--out", str(tmp_path / "model"), "--processes", "2"]
    assert command_line(given) == 0
    said = capsys.readouterr().out
    assert "training: decoder in 2 processes" in said
    assert said.count("weights: SHA-256") == 1
    assert weights(tmp_path / "model") == weights(together)
    assert command_line(given) == 3
    assert "holds a trained model already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "n", "why"),
    [
        (SMALL, 8, "give 1 to 7"),
        (SMALL, 0, "give 1 to 7"),
        (msgspec.structs.replace(SMALL, architecture="ngram"), 2, "n-grams are counted in one process"),
    ],
)
def test_what_processes_cannot_share_is_refused_before_one_starts(settings, n, why, tmp_path):
    with pytest.raises(UsageError, match=why):
        train_text_model(settings, tmp_path / "model", processes=n)
    assert not (tmp_path / "model").exists()


def test_what_the_first_process_refuses_is_refused_by_the_command(tmp_path):
    (tmp_path / "other").write_text("x")
    with pytest.raises(RefusedError, match="is not empty"):
        train_text_model(SMALL, tmp_path, processes=2)


@pytest.mark.parametrize(
    ("rank", "size", "local"),
    [("2", "2", "0"), ("-1", "2", "0"), ("x", "2", "0"), ("0", "", "0"), ("0", "1_000", "0"), ("0", "2", "1"),
     ("1", "2", "-1"), ("1", "2", "")],
)  # fmt: skip
def test_variables_that_are_not_those_of_torchrun_are_refused(rank, size, local):
    with pytest.raises(UsageError, match="torchrun"):
        place_of_environment({"TORCHELASTIC_RUN_ID": "x", "RANK": rank, "WORLD_SIZE": size, "LOCAL_RANK": local})


def test_a_process_that_waits_for_another_sees_it_leave(tmp_path):
    """The first one is killed at its start: the second one must not wait for its patience."""
    from core.text.rank_child import RankOrder
    from core.text.rank_processes import MODULE, child_environment, module_command
    from core.text.ranks import RankPlace

    def started(rank: int):
        place = RankPlace(rank=rank, size=2, meeting=f"file://{tmp_path}/meeting")
        order = RankOrder(settings=SMALL, folder=str(tmp_path / "model"), place=place)
        process = subprocess.Popen(
            module_command(MODULE), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={**child_environment(), "GLOO_SOCKET_IFNAME": "lo"},
        )  # fmt: skip
        process.stdin.write(msgspec.json.encode(order) + b"\n")
        process.stdin.flush()
        return process

    first, second = started(0), started(1)
    first.stdout.readline()  # its first evaluation
    first.send_signal(signal.SIGKILL)
    assert b"Another process of this training has ended" in second.stdout.read()
    assert second.wait() == 1
    for each in (first, second):
        each.stdin.close()
        each.stdout.close()
        each.wait()
