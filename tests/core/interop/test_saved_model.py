"""Models as TensorFlow's SavedModel: TensorFlow gives the answers of every learner, and would find the version."""

import json
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest

from console.cli.main import main
from core.actor import Actor, Origin
from core.domains.catalogue import load_model
from core.errors import ExitCode, UsageError
from core.interop import saved_model
from core.interop.onnx_model import written_onnx
from core.interop.onnx_parity import compare
from core.interop.saved_model import number_to_serve, require_tensorflow, saved_model_of, server_config
from core.interop.version_export import VersionFormat, export_version
from core.registry import Registry
from core.settings import Settings
from core.settings.model_config_list import read_model_config_file
from core.settings.promotion import PromotionSettings
from core.state import Workspace
from core.training.own_data import TrainRequest, train_on_file
from tests.core.interop.test_onnx import METHODS, rows, table_model

needs_tensorflow = pytest.mark.skipif(
    None in (find_spec("tensorflow"), find_spec("onnx"), find_spec("onnxruntime")),
    reason="tensorflow is not installed here: make interop runs this with it",
)
ANA = Actor("ana", "localhost", Origin.COMMAND_LINE)
IGNORED = {"ignored": ["base_path", "model_platform"]}
NUMBER = 1_000_000_000_000  # of 1.0.0


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Workspace:
    folder = tmp_path_factory.mktemp("trained")
    lines = (f"{20 + n % 80},{'old' if n % 3 else 'new'},{300 + 9 * (n % 80)}" for n in range(200))
    (folder / "rents.csv").write_text("area,age,rent\n" + "\n".join(lines) + "\n")
    workspace = Workspace.create(folder / "workspace", settings_text="{}\n")
    request = TrainRequest("rent", folder / "rents.csv", target="rent")
    train_on_file(workspace, request, Settings(), actor=ANA)
    return workspace


@needs_tensorflow
@pytest.mark.parametrize(("target", "name", "parameters"), METHODS)
def test_every_method_of_tables_is_written_with_its_own_answers(target, name, parameters):
    written = written_onnx(table_model(target, name, **parameters), {"mine": "kept"})
    saved = saved_model_of(written.onnx)
    found = compare(saved.answers, written.scored, written.fields, rows(), written.splits, form="SavedModel")

    assert found.n_held_out == len(rows())
    assert found.largest < 1e-12  # doubles throughout, though 1e-6 would be allowed
    assert saved.notes["mine"] == "kept"


@needs_tensorflow
def test_a_wrong_answer_refuses_the_export_and_names_the_form():
    written = written_onnx(table_model("rent", "linear"), {})
    wrong = written_onnx(table_model("rent", "constant"), {})
    with pytest.raises(Exception, match="The SavedModel answers"):
        compare(saved_model_of(wrong.onnx).answers, written.scored, written.fields, None, {}, form="SavedModel")


@needs_tensorflow
def test_the_command_writes_what_tensorflow_serving_reads(trained, tmp_path, called):
    registry = Registry(trained, promotion=PromotionSettings(min_accuracy=0.0))
    registry.apply(registry.plan_promotion("rent", "1.0.0"), actor=ANA)
    registry.set_alias("rent", "champion", "1.0.0", actor=ANA)
    out = tmp_path / "out"
    command = ["registry", "export", "rent", "1.0.0", "--format", "saved-model", "--out", out]
    code, told, err = called(main, *command, "--workspace", trained.root)

    assert (code, err) == (0, "")
    assert f"rent 1.0.0 is in {out}" in told
    assert "of a SavedModel" in told
    own = f"models/rent/{NUMBER}"
    files = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert set(files) == {"models.config", f"{own}/saved_model.pb", f"{own}/assets.extra/bondx.json"}
    facts = json.loads(files[f"{own}/assets.extra/bondx.json"])
    assert (facts["bondx.version"], facts["bondx.manifest_sha256"]) == (
        "1.0.0",
        registry.get("rent", "1.0.0").manifest_sha256,
    )
    listed = read_model_config_file(out / "models.config")["rent"]
    assert listed == IGNORED | {"versions": ["1.0.0"], "labels": {"staging": "1.0.0", "champion": "1.0.0"}}

    import tensorflow as tf

    model = load_model(Registry(trained).load_path("rent", "1.0.0"))
    expected = model.predict(pd.DataFrame({"area": [50.0, 90.0], "age": pd.Categorical(["old", None])}))
    serve = tf.saved_model.load(str(out / own)).signatures["serving_default"]
    answer = serve(area=tf.constant([50.0, 90.0], tf.float64), age=tf.constant(["old", ""]))["prediction"]
    np.testing.assert_allclose(answer.numpy(), expected, rtol=1e-12)


_WRITE = """
import sys
from pathlib import Path
from core.interop.version_export import VersionFormat, export_version
from core.state import Workspace
out = Path(sys.argv[2])
export_version(Workspace.open(Path(sys.argv[1])), "rent", "1.0.0", out, format=VersionFormat.SAVED_MODEL)
"""


@needs_tensorflow
def test_the_same_version_gives_the_same_bytes_in_another_process_and_nothing_is_said(trained, tmp_path):
    export_version(trained, "rent", "1.0.0", tmp_path / "here", format=VersionFormat.SAVED_MODEL)
    done = subprocess.run(
        [sys.executable, "-c", _WRITE, trained.root, tmp_path / "there"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    place = f"models/rent/{NUMBER}/saved_model.pb"
    assert (tmp_path / "there" / place).read_bytes() == (tmp_path / "here" / place).read_bytes()


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch):
    def missing(name: str) -> None:
        raise ImportError(name)

    saved_model._tensorflow.cache_clear()
    monkeypatch.setattr(saved_model, "import_module", missing)
    with pytest.raises(UsageError, match=r"pip install 'bondx-console\[saved-model\]'"):
        require_tensorflow()


def test_storage_goes_with_kserve_alone(trained, tmp_path, called):
    command = ["registry", "export", "rent", "1.0.0", "--format", "saved-model", "--out", tmp_path / "out"]
    code, _, err = called(main, *command, "--storage-uri", "s3://x", "--workspace", trained.root)
    assert code == ExitCode.USAGE
    assert "--format kserve" in err


def test_a_version_without_a_number_is_refused():
    assert number_to_serve("1.2.3") == 1_000_002_000_003
    with pytest.raises(UsageError, match="a part of it is above 999,999"):
        number_to_serve("1.0.1000000")


def test_the_list_of_what_to_serve_is_read_by_our_own_reader(tmp_path):
    file = tmp_path / "models.config"
    file.write_text(server_config("rent", NUMBER, ("production", "champion")))
    found = read_model_config_file(file)["rent"]
    assert found == IGNORED | {"versions": ["1.0.0"], "labels": {"production": "1.0.0", "champion": "1.0.0"}}
