"""No value of a personal or a secret category leaves a version: not its levels, not its slices, not their names."""

import http.client
import json
import re
import sqlite3
import zlib
from contextlib import closing, suppress

import numpy as np
import pandas as pd
import pytest

from console.cli.main import main
from console.mlops.cli import main as mlops
from core.actor import Actor, Origin
from core.evidence import EvidencePacks
from core.explain.deny_list import DenyList
from core.explain.documents import FeatureEffect, FeatureImportance, GlobalExplanation, SliceImportance, Surrogate
from core.explain.later_denied import without_denied
from core.registry import Registry
from core.serving import Server
from core.settings import PromotionSettings, settings_in_force
from core.state import Workspace
from core.training.own_data import TrainRequest, train_on_file
from tests.waiting import PATIENCE_SECONDS, until

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
PERSON, SECRET = "ZZPERSON", "YYSECRET"
CLASSES = "protection: {personal: ['cust_*'], secret: [iban], key_env: SHOP_KEY}\n"
REST = "policy: {promotion: {min_accuracy: 0}}\nmodels: {bought: {algorithm: linear}}\n"
OF_THE_VERSION = {"signature.json", "profile.json", "held_out.parquet"}  # what it answers and is compared by
FACES = (
    ("registry", "show", "price", "1.0.0"),
    ("registry", "list"),
    ("registry", "diff", "price", "1.0.0", "1.1.0", "--all"),
    ("registry", "diff", "price", "1.0.0", "1.1.0", "--slices"),
    ("registry", "bom", "price", "1.0.0"),
    ("registry", "provenance", "price", "1.0.0"),
    ("registry", "lineage", "price"),
    ("runs", "list"),
    ("data", "classify", "--model", "price"),
    ("explain", "price"),
    ("explain", "price", "--interactions"),
    ("explain", "bought"),
    ("explain", "price@1.1.0", "--against", "1.0.0"),
    ("explain", "price", "--row", "4"),
    ("explain", "price", "--row", "4", "--method", "lime"),
    ("explain", "bought", "--row", "4", "--turn"),
    ("drift", "profile", "price"),
    ("show", "registry"),
    ("show", "drift"),
    ("show", "overview"),
    ("audit", "list"),
    ("evidence", "list"),
)
OF_A_FILE = (
    ("drift", "check", "price", "--data"),
    ("performance", "estimate", "price", "--data"),
    ("labels", "wanted", "price", "--data"),
    ("explain", "price", "--data"),
)


def content_of(file):
    """Return the bytes of a file, and those of the values of a store: its compressed pieces, too."""
    content = file.read_bytes()
    if not content.startswith(b"SQLite format 3"):
        return content
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as store:
        tables = [name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        cells = [cell for name in tables for row in store.execute(f'SELECT * FROM "{name}"') for cell in row]
    blobs = [cell for cell in cells if isinstance(cell, bytes)]
    for blob in blobs:
        for begin in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", blob):
            with suppress(zlib.error):
                content += zlib.decompressobj().decompress(blob[begin.start() :])
    return content + b"".join(blobs)


def told(text: "str | bytes") -> bool:
    text = text.decode(errors="replace") if isinstance(text, bytes) else text
    return PERSON in text or SECRET in text


def rows(n=600):
    rng = np.random.default_rng(1)
    towns, banks = rng.integers(0, 8, n), rng.integers(0, 4, n)
    frame = pd.DataFrame({"size": rng.normal(size=n), "grade": rng.choice(list("ABC"), n)})
    frame["cust_town"] = [f"{PERSON}-{town}" for town in towns]
    frame["iban"] = [f"{SECRET}-{bank}" for bank in banks]
    frame["price"] = frame["size"] + 2 * towns + banks + rng.normal(0, 0.2, n)
    return frame


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    frame = rows()
    frame.to_csv(folder / "prices.csv", index=False)
    bought = np.where(frame["price"] > frame["price"].median(), "yes", "no")
    frame.drop(columns="price").assign(bought=bought).to_csv(folder / "bought.csv", index=False)
    moved = frame.assign(size=frame["size"] + 1, price=frame["price"] + 1)
    moved.loc[:50, "cust_town"] = f"{PERSON}-NEW"
    moved.to_csv(folder / "moved.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def shop(tmp_path_factory, files):
    """A workspace with versions that read a personal and a secret category, one of them live."""
    workspace = Workspace.create(tmp_path_factory.mktemp("shop") / "w", settings_text=CLASSES + REST)
    for model, file in (("price", "prices"), ("price", "moved"), ("bought", "bought")):
        request = TrainRequest(model, files / f"{file}.csv", target=model)
        train_on_file(workspace, request, settings_in_force(workspace.root), actor=ANA)
    registry = Registry(workspace, promotion=PromotionSettings(min_accuracy=0.0))
    for _ in range(2):
        registry.apply(registry.plan_promotion("price", "1.0.0"), actor=ANA)
    return workspace


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("SHOP_KEY", "a key of the workspace")


def test_no_command_line_and_no_file_but_its_own_tells_a_level(shop, files, called):
    at = ("--workspace", shop.root)
    lines = [*FACES, *((*line, files / "moved.csv") for line in OF_A_FILE)]
    for line in lines:
        for words in ((), ("--json",)):
            if line[1] in ("bom", "provenance") and words:
                continue
            code, out, err = called(main, *line, *words, *at)
            assert code in (0, 1), (line, out, err)
            assert not told(out + err), (line, [each for each in (out + err).splitlines() if told(each)][:3])
    test = ("evaluate", "--model", "price", "--test-data", files / "moved.csv", "--json")
    code, out, err = called(mlops, *test, *at)
    assert (code, told(out + err)) == (0, False), out + err
    for subject in (("version", "price", "1.0.0"), ("model", "price", "--since", "2020-01-01")):
        code, out, err = called(main, "evidence", "build", *subject, *at)
        assert code == 0, err
    kept = [file for file in shop.root.rglob("*") if file.is_file() and told(content_of(file))]
    assert {file.name for file in kept} <= OF_THE_VERSION
    assert all(file.is_relative_to(shop.artifacts_dir) for file in kept)
    for pack in EvidencePacks(shop).all():
        files_of_pack = [file for file in EvidencePacks(shop).folder_of(pack).rglob("*") if file.is_file()]
        assert len(files_of_pack) > 3
        assert not any(told(file.read_bytes()) for file in files_of_pack)


def test_no_answer_of_a_server_tells_a_level(shop, files):
    server = Server(shop, "127.0.0.1", 0)
    server.start()
    until(lambda: server.table.is_complete, "a server that is ready")

    def ask(path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", int(server.url.rpartition(":")[2]), PATIENCE_SECONDS)
        try:
            connection.request("GET" if body is None else "POST", path, body and json.dumps(body).encode())
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    try:
        spec = json.loads(ask("/api/v1/openapi.json")[1])
        paths = [path for path, how in spec["paths"].items() if "get" in how and "{text" not in path]
        asked = [path.replace("{model}", "price").replace("{version}", "1.0.0") for path in paths]
        found = {path: ask(path) for path in asked if "{" not in path and "events" not in path}
        for version in ("1.0.0", "1.1.0"):  # loaded, not loaded
            path = f"/api/v1/models/price/versions/{version}/signature"
            found[path] = status, content = ask(path)
            fields = {field["name"]: field for field in json.loads(content)["fields"]}
            assert status == 200
            assert fields["grade"]["categories"] == ["A", "B", "C"]
            assert "categories" not in fields["cust_town"]
        known = [{"size": 0.1 * n, "grade": "A", "cust_town": f"{PERSON}-{n % 8}", "iban": "none"} for n in range(80)]
        found["known"] = ask("/api/v1/predict/price", {"rows": known})
        row = {"size": 0.5, "grade": "A", "cust_town": "nobody", "iban": "none"}
        found["unknown"] = ask("/api/v1/predict/price", {"rows": [row]})
        assert found["unknown"][0] == 200
        found["wrong"] = ask("/api/v1/predict/price", {"rows": [{**row, "cust_town": 7}]})
        assert found["wrong"][0] == 400
        found["/v2"], found["/metrics"] = ask("/v2/models/price"), ask("/metrics")
    finally:
        server.stop()
    assert content_of(shop.live_file).count(b"cust_town") > content_of(shop.live_file).count(b"cust_town=")
    stores = [file for file in shop.root.rglob("*") if file.is_file() and not file.is_relative_to(shop.artifacts_dir)]
    assert not [file for file in stores if told(content_of(file))]
    assert sum(status == 200 for status, _ in found.values()) > 25
    assert not {path for path, (_, content) in found.items() if told(content)}


def test_an_export_reads_pseudonyms_and_is_refused_without_their_key(shop, tmp_path, called):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    export = ("registry", "export", "bought", "1.0.0", "--workspace", shop.root, "--out")
    code, out, err = called(main, *export, tmp_path / "bought.onnx")
    assert code == 0, err
    assert "It reads pseudonyms, and no values, of cust_town, iban" in out
    assert not told((tmp_path / "bought.onnx").read_bytes())
    assert {each.name for each in onnxruntime.InferenceSession(tmp_path / "bought.onnx").get_inputs()} >= {"cust_town"}
    text = (shop.root / "bondx.yaml").read_text()
    try:
        (shop.root / "bondx.yaml").write_text(text.replace(", key_env: SHOP_KEY", ""))
        code, out, err = called(main, *export, tmp_path / "other.onnx")
    finally:
        (shop.root / "bondx.yaml").write_text(text)
    assert (code, (tmp_path / "other.onnx").exists(), told(out + err)) == (2, False, False)
    assert "Name a key of pseudonyms" in err


def test_a_version_of_before_the_classes_is_shown_without_its_levels_and_answers_as_before(
    tmp_path, files, called, monkeypatch
):
    plain = Workspace.create(tmp_path / "w", settings_text=REST)
    for file in ("prices", "moved"):
        request = TrainRequest("price", files / f"{file}.csv", target="price")
        train_on_file(plain, request, settings_in_force(plain.root), actor=ANA)
    test = ("evaluate", "--model", "price", "--test-data", files / "moved.csv", "--json", "--workspace", plain.root)
    before = json.loads(called(mlops, *test)[1])["metrics"]
    assert told(called(main, "explain", "price", "--workspace", plain.root)[1])
    plain.settings_file.write_text(CLASSES + REST)
    for line in FACES:
        if "bought" in line or "--against" in line:
            continue
        code, out, err = called(main, *line, "--workspace", plain.root)
        assert (code, told(out + err)) == (0, False), (line, out, err)
    assert json.loads(called(mlops, *test)[1])["metrics"] == before


def test_the_classes_change_no_prediction(shop, tmp_path, files, called):
    plain = Workspace.create(tmp_path / "w", settings_text=REST)
    request = TrainRequest("price", files / "prices.csv", target="price")
    train_on_file(plain, request, settings_in_force(plain.root), actor=ANA)
    test = ("evaluate", "--model", "price", "--test-data", files / "moved.csv", "--version", "1.0.0", "--json")
    with_classes, without = (called(mlops, *test, "--workspace", each.root)[1] for each in (shop, plain))
    assert json.loads(with_classes)["metrics"] == json.loads(without)["metrics"]
    weights = [each.artifacts_dir / "price" / "1.0.0" / "arrays.npz" for each in (shop, plain)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_stored_explanation_loses_the_values_of_a_column_that_is_masked_later():
    feature = {"importance": 1.0, "low": 1.0, "high": 1.0, "best_rank": 1, "worst_rank": 1, "share": 0.5}
    report = GlobalExplanation(
        n_rows=9,
        n_units=9,
        base=0.0,
        reference="",
        scale="price",
        algorithm="",
        method="",
        cost="",
        sum_error=0.0,
        features=tuple(FeatureImportance(feature=name, **feature) for name in ("town", "age", "size")),
        effects=(
            FeatureEffect(feature="town", kind="partial dependence", points=("Zoe", "Ana"), values=(0.0, 1.0)),
            FeatureEffect(feature="age", kind="ale", points=(44.62, 51.375), values=(0.0, 1.0)),
            FeatureEffect(feature="size", kind="ale", points=(44.62, 51.375), values=(0.0, 1.0)),
        ),
        slices=(SliceImportance(slicing="town", level="Ana", n_rows=9, importance={"size": 1.0}),),
        surrogate=Surrogate(
            fidelity=0.5, rules=("town in {Ana}", "age > 44.62", "size > 44.62"), disagrees="town in {Zoe}: off by 1"
        ),
    )
    shown = without_denied(report, DenyList(of_values=["town", "age"]))
    assert [each.points for each in shown.effects] == [("level 2", "level 1"), (45.0, 51.0), (44.62, 51.375)]
    assert (shown.slices, shown.surrogate.rules, shown.surrogate.disagrees) == ((), ("size > 44.62",), "")
    assert [each.feature for each in shown.features] == ["town", "age", "size"]
    assert without_denied(shown, DenyList(of_values=["town", "age"])) == shown
