"""`bondx registry export`: the file and the folder, whole or not at all, and what other servers read of them."""

import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

import core.files
from console.cli.main import main
from core.actor import Actor, Origin
from core.domains.catalogue import load_model
from core.errors import ExitCode, UsageError
from core.files import FileAccessError, FolderInUseError
from core.interop import version_export
from core.interop.kserve_layout import inference_service, require_storage, service_name
from core.interop.version_export import VersionFormat, export_version
from core.registry import Registry
from core.settings import Settings
from core.state import Workspace
from core.training.own_data import TrainRequest, train_on_file

pytestmark = pytest.mark.skipif(
    find_spec("onnx") is None or find_spec("onnxruntime") is None,
    reason="onnx and onnxruntime are not installed here: pip install 'bondx-console[onnx]'",
)
ANA = Actor("ana", "localhost", Origin.COMMAND_LINE)
MODEL, VERSION = "rent", "1.0.0"
FILES = {
    "inferenceservice.yaml",
    "models/rent/1/model.onnx",
    "models/rent/bondx_onnx.py",
    "models/rent/config.pbtxt",
    "models/rent/model-settings.json",
}

_ONE, _MANY = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL, descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
_TEXT, _INT32, _INT64 = (
    getattr(descriptor_pb2.FieldDescriptorProto, f"TYPE_{name}") for name in ("STRING", "INT32", "INT64")
)
TRITON_TYPES = [
    "TYPE_INVALID", "TYPE_BOOL", "TYPE_UINT8", "TYPE_UINT16", "TYPE_UINT32", "TYPE_UINT64", "TYPE_INT8", "TYPE_INT16",
    "TYPE_INT32", "TYPE_INT64", "TYPE_FP16", "TYPE_FP32", "TYPE_FP64", "TYPE_STRING", "TYPE_BF16",
]  # fmt: skip
TRITON_FIELDS: dict[str, list[tuple[int, str, Any, Any]]] = {
    "ModelInput": [(1, "name", _TEXT, _ONE), (2, "data_type", "DataType", _ONE), (4, "dims", _INT64, _MANY)],
    "ModelOutput": [(1, "name", _TEXT, _ONE), (2, "data_type", "DataType", _ONE), (3, "dims", _INT64, _MANY)],
    "ModelConfig": [
        (1, "name", _TEXT, _ONE),
        (2, "platform", _TEXT, _ONE),
        (4, "max_batch_size", _INT32, _ONE),
        (5, "input", "ModelInput", _MANY),
        (6, "output", "ModelOutput", _MANY),
        (17, "backend", _TEXT, _ONE),
    ],
}
"""As in Triton's model_config.proto; `make interop` reads the configuration with the whole of it."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Workspace:
    folder = tmp_path_factory.mktemp("trained")
    lines = (f"{20 + n % 80},{'old' if n % 3 else 'new'},{300 + 9 * (n % 80)}" for n in range(200))
    (folder / "rents.csv").write_text("area,age,rent\n" + "\n".join(lines) + "\n")
    workspace = Workspace.create(folder / "workspace", settings_text="{}\n")
    train_on_file(workspace, TrainRequest(MODEL, folder / "rents.csv", target="rent"), Settings(), actor=ANA)
    return workspace


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_command_writes_a_file_that_answers_as_the_version_does(trained, tmp_path, called):
    out = tmp_path / "rent.onnx"
    code, told, err = called(main, "registry", "export", MODEL, VERSION, "--out", out, "--workspace", trained.root)

    assert code == 0, err
    assert f"rent 1.0.0 is in {out}" in told
    assert "made ones as the version does" in told
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(out.read_bytes(), providers=["CPUExecutionProvider"])
    feeds = {"area": np.array([50.0, 90.0]), "age": np.array(["old", ""], dtype=object)}
    model = load_model(Registry(trained).load_path(MODEL, VERSION))
    expected = model.predict(pd.DataFrame({"area": [50.0, 90.0], "age": pd.Categorical(["old", None])}))
    np.testing.assert_allclose(session.run(["prediction"], feeds)[0], expected, rtol=1e-12)
    notes = session.get_modelmeta().custom_metadata_map
    assert (notes["bondx.model"], notes["bondx.version"]) == (MODEL, VERSION)
    assert notes["bondx.manifest_sha256"] == Registry(trained).get(MODEL, VERSION).manifest_sha256


def test_the_held_out_rows_are_compared_and_json_says_so(trained, tmp_path, called):
    command = ["registry", "export", MODEL, VERSION, "--out", tmp_path / "rent.onnx", "--json"]
    code, told, err = called(main, *command, "--workspace", trained.root)
    assert code == 0, err
    found = json.loads(told)
    assert found["parity"]["n_held_out"] > 0
    assert found["parity"]["largest"] < 1e-9
    assert found["inputs"] == [{"name": "area", "is_text": False}, {"name": "age", "is_text": True}]


@pytest.mark.parametrize(
    ("wanted", "extra"),
    [(VersionFormat.ONNX, "onnx"), (VersionFormat.KSERVE, "onnx"), (VersionFormat.SAVED_MODEL, "saved-model")],
)
def test_without_libraries_the_extra_of_the_format_is_named(wanted, extra, tmp_path, monkeypatch):
    import core.interop.onnx_model as onnx_model

    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(onnx_model, "import_module", absent)
    workspace = Workspace.create(tmp_path / "w", settings_text="")
    with pytest.raises(UsageError, match=rf"pip install 'bondx-console\[{extra}\]'"):
        export_version(workspace, MODEL, VERSION, tmp_path / "out", format=wanted)


def test_the_folder_has_what_triton_mlserver_and_kserve_read_and_the_same_bytes_each_time(trained, tmp_path):
    for name in ("first", "again"):
        export_version(trained, MODEL, VERSION, tmp_path / name, format=VersionFormat.KSERVE)
    first = files_of(tmp_path / "first")
    assert set(first) == FILES
    assert files_of(tmp_path / "again") == first
    settings = json.loads(first["models/rent/model-settings.json"])
    assert settings["implementation"] == "bondx_onnx.OnnxRuntime"
    assert [(each["name"], each["datatype"]) for each in settings["inputs"]] == [("area", "FP64"), ("age", "BYTES")]
    assert settings["parameters"] == {"uri": "./1/model.onnx", "version": VERSION}
    config = first["models/rent/config.pbtxt"].decode()
    assert config.startswith('name: "rent"\nbackend: "onnxruntime"\nmax_batch_size: 0\n')
    assert 'input {\n  name: "age"\n  data_type: TYPE_STRING\n  dims: [ -1 ]\n}' in config
    assert 'output {\n  name: "prediction"\n  data_type: TYPE_FP64\n  dims: [ -1 ]\n}' in config
    compile(first["models/rent/bondx_onnx.py"], "bondx_onnx.py", "exec")
    service = yaml.safe_load(first["inferenceservice.yaml"])
    predictor = service["spec"]["predictor"]["model"]
    assert (service["apiVersion"], service["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    assert service["metadata"]["annotations"]["bondx/version"] == VERSION
    assert predictor["storageUri"] == "pvc://bondx-models/rent/1.0.0/models"
    assert predictor["modelFormat"] == {"name": "onnx", "version": "1"}


def triton_config() -> Any:
    """Return an empty `ModelConfig` of Triton: of its definition, the fields that a configuration of ours may have."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="model_config.proto", package="inference", syntax="proto3")
    kinds = file.enum_type.add(name="DataType")
    for number, name in enumerate(TRITON_TYPES):
        kinds.value.add(name=name, number=number)
    for message, fields in TRITON_FIELDS.items():
        described = file.message_type.add(name=message)
        for number, name, kind, label in fields:
            added = described.field.add(name=name, number=number, label=label)
            if isinstance(kind, str):
                added.type_name = f".inference.{kind}"
                added.type = field.TYPE_ENUM if kind == "DataType" else field.TYPE_MESSAGE
            else:
                added.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("inference.ModelConfig"))()


def test_triton_would_read_the_configuration_and_its_tensors_are_those_of_the_file_that_answers_as_the_version(
    trained, tmp_path
):
    export_version(trained, MODEL, VERSION, tmp_path / "out", format=VersionFormat.KSERVE)
    repository = tmp_path / "out" / "models" / MODEL
    config = text_format.Parse((repository / "config.pbtxt").read_text(), triton_config())
    assert (config.name, config.backend, config.max_batch_size) == (repository.name, "onnxruntime", 0)

    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(repository / "1" / "model.onnx", providers=["CPUExecutionProvider"])
    types = {"tensor(double)": "TYPE_FP64", "tensor(string)": "TYPE_STRING"}
    for told, tensors in ((config.input, session.get_inputs()), (config.output, session.get_outputs())):
        # A dimension that varies is a word in ONNX, and -1 for Triton.
        found = {
            each.name: (types[each.type], [n if isinstance(n, int) else -1 for n in each.shape]) for each in tensors
        }
        assert {each.name: (TRITON_TYPES[each.data_type], list(each.dims)) for each in told} == found

    rows = pd.DataFrame({"area": [25.0, 50.0, 99.0], "age": pd.Categorical(["old", "new", None])})
    feeds = {"area": rows["area"].to_numpy(), "age": np.array(["old", "new", ""], dtype=object)}
    assert set(feeds) == {each.name for each in config.input}
    expected = load_model(Registry(trained).load_path(MODEL, VERSION)).predict(rows)
    answers = session.run([each.name for each in config.output], feeds)[0]
    np.testing.assert_allclose(answers, expected, rtol=1e-6)


def test_the_service_names_the_storage_that_is_given(trained, tmp_path):
    out, uri = tmp_path / "out", "s3://models/rent"
    export_version(trained, MODEL, VERSION, out, format=VersionFormat.KSERVE, storage_uri=uri)
    service = yaml.safe_load((out / "inferenceservice.yaml").read_text())
    assert service["spec"]["predictor"]["model"]["storageUri"] == uri


@pytest.mark.parametrize("uri", ["models/rent", "ftp://host/models", "s3://", "s3://a b"])
def test_an_address_that_kserve_cannot_fetch_from_is_refused(uri):
    with pytest.raises(UsageError, match="is no address of KServe's storage: give one such as"):
        require_storage(uri)


def test_storage_goes_with_kserve_alone(trained, tmp_path):
    with pytest.raises(UsageError, match="goes with --format kserve"):
        export_version(trained, MODEL, VERSION, tmp_path / "rent.onnx", storage_uri="s3://models/rent")


@pytest.mark.parametrize("model", ["rent", "Rent", "rent_2", "2nd", "ü" * 70, "x" * 90])
def test_the_name_of_a_service_is_one_that_kubernetes_takes_and_tells_models_apart(model):
    name = service_name(model)
    assert len(name) <= 53
    assert name[0].isalpha()
    assert name.strip("-") == name
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert (name == model) is (model == "rent")
    assert inference_service(model, "1.0.0", "0" * 64, "s3://x")["metadata"]["name"] == name


def test_a_place_that_is_taken_is_left_as_it_is(trained, tmp_path):
    (tmp_path / "rent.onnx").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").touch()
    with pytest.raises(UsageError, match="already exists"):
        export_version(trained, MODEL, VERSION, tmp_path / "rent.onnx")
    with pytest.raises(FolderInUseError):
        export_version(trained, MODEL, VERSION, tmp_path / "folder", format=VersionFormat.KSERVE)
    assert (tmp_path / "rent.onnx").read_text() == "mine"


@pytest.mark.parametrize("form", [VersionFormat.ONNX, VersionFormat.KSERVE])
def test_a_full_disk_leaves_nothing_and_is_said(trained, tmp_path, monkeypatch, form):
    def full(descriptor: int, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    out = tmp_path / "places" / "out"
    out.parent.mkdir()
    # The last writes of an export are those of its own files; the copy of the version before them has room.
    real = version_export.compare

    def compared(*arguments: object, **named: object) -> object:
        found = real(*arguments, **named)
        monkeypatch.setattr(core.files, "write_all", full)
        return found

    monkeypatch.setattr(version_export, "compare", compared)
    with pytest.raises(FileAccessError, match="no space left on device"):
        export_version(trained, MODEL, VERSION, out, format=form)
    assert list(out.parent.iterdir()) == []


_TERMINATED = """
import os, signal, sys
import core.interop.version_export as version_export
real = version_export.write_layout
def killed(*arguments, **named):
    real(*arguments, **named)
    os.kill(os.getpid(), signal.SIGTERM)
version_export.write_layout = killed
from console.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_terminated_command_leaves_nothing(trained, tmp_path):
    command = ["registry", "export", MODEL, VERSION, "--format", "kserve", "--out", tmp_path / "out"]
    done = subprocess.run(
        [sys.executable, "-c", _TERMINATED, *command, "--workspace", trained.root],
        env=os.environ | {"HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 128 + signal.SIGTERM, done.stderr
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []


def test_a_version_without_a_model_is_refused(trained, tmp_path, called):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "weights.bin").write_bytes(b"12")
    registered = Registry(trained).register("files", tmp_path / "folder", metrics={}, lineage={}, gates=(), actor=ANA)
    command = ["registry", "export", "files", registered.version, "--out", tmp_path / "files.onnx"]
    code, _, err = called(main, *command, "--workspace", trained.root)
    assert code in (ExitCode.USAGE, ExitCode.REFUSED)
    assert "Traceback" not in err
    assert not (tmp_path / "files.onnx").exists()
