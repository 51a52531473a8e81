"""Columns have a class: by the settings, and as it was recorded when a version was made."""

import json

import numpy as np
import pandas as pd
import pytest

from console.cli.main import main
from core.actor import Actor, Origin
from core.explain.deny_list import DenyList
from core.models.scoring.fields import fields_of
from core.registry import Registry
from core.registry.artifacts import ArtifactStore
from core.registry.diff import compare_versions
from core.settings import SettingsError, load_settings, settings_in_force
from core.settings.protection import ProtectionSettings, Sensitivity
from core.state import Workspace
from core.tables import TableSignature
from core.training.own_data import TrainRequest, train_on_file

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
LINEAR = "models:\n  price: {algorithm: linear}\n"
CLASSES = f"protection: {{public: ['rat*'], personal: ['name', 'tax_*'], secret: ['tax_id']}}\n{LINEAR}"


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        pytest.param("rating", Sensitivity.PUBLIC, id="a pattern"),
        pytest.param("tax_class", Sensitivity.PERSONAL, id="another pattern"),
        pytest.param("tax_id", Sensitivity.SECRET, id="the most sensitive class holds, wherever it stands"),
        pytest.param("Rating", Sensitivity.INTERNAL, id="upper case is another column, as for the deny list"),
        pytest.param("size", Sensitivity.INTERNAL, id="no pattern"),
        pytest.param("", Sensitivity.INTERNAL, id="no name"),
    ],
)
def test_a_column_has_the_most_sensitive_class_that_matches(column, expected):
    protection = ProtectionSettings(public=("rat*",), personal=("tax_*",), secret=("tax_id",))
    assert protection.sensitivity_of(column) is expected


@pytest.mark.parametrize("order", [("tax_*", "tax_id"), ("tax_id", "tax_*")])
def test_a_public_pattern_makes_no_secret_column_public(order):
    assert ProtectionSettings(public=order, secret=("tax_id",)).sensitivity_of("tax_id") is Sensitivity.SECRET


def test_secret_columns_are_denied_wherever_settings_are_read(tmp_path):
    workspace = Workspace.create(tmp_path / "w", settings_text="protection: {secret: ['tax_*']}\n")
    settings = settings_in_force(workspace.root)
    assert DenyList.in_force(workspace.root).denies("tax_id")
    assert DenyList(settings.training.explanation.denied_columns).denies("tax_id")
    assert not DenyList.in_force(workspace.root).denies("name")


def test_a_column_that_is_denied_and_secret_is_listed_once(tmp_path):
    file = tmp_path / "bondx.yaml"
    file.write_text("protection: {secret: [a, b]}\nexplanation: {denied_columns: [b, c]}\n")
    assert load_settings(file).explanation.denied_columns == ("b", "c", "a")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("protection: {secret: tax_id}", r"protection\.secret.*list", id="a text"),
        pytest.param("protection: {secret: ['']}", r"protection\.secret", id="an empty pattern"),
        pytest.param("protection: {confidential: [a]}", "protection.*confidential", id="an unknown class"),
        pytest.param("protection: {key_env: A, key_file: b}", "exclude each other", id="two keys"),
        pytest.param("protection: {key_env: 'A B'}", "name of an environment variable", id="a key as a name"),
        pytest.param("protection: [a]", "protection", id="a list"),
    ],
)
def test_a_bad_classification_is_refused_by_its_place(tmp_path, text, complaint):
    file = tmp_path / "bondx.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=complaint):
        load_settings(file)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A workspace with a version that was trained before anything was classified, and one that was trained after."""
    folder = tmp_path_factory.mktemp("shop")
    workspace = Workspace.create(folder / "workspace", settings_text=LINEAR)
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"size": rng.normal(size=300), "tax_id": rng.normal(size=300), "note": 7})
    frame["rating"] = rng.choice(["A", "B"], 300)
    frame["price"] = frame["size"] + frame["tax_id"] + rng.normal(size=300)
    frame.to_csv(folder / "prices.csv", index=False)
    request = TrainRequest(model="price", data=folder / "prices.csv", target="price")
    for text in (None, CLASSES):
        if text is not None:
            (workspace.root / "bondx.yaml").write_text(text)
        train_on_file(workspace, request, settings_in_force(workspace.root), actor=ANA)
    return workspace


def signature_of(workspace, version):
    return TableSignature.read(workspace.artifacts_dir / Registry(workspace).get("price", version).path)


def test_a_version_records_the_class_of_every_column(shop):
    first, second = (each.version for each in Registry(shop).versions_in_brief("price"))
    assert b"sensitivity" not in signature_of(shop, first).to_bytes()
    assert signature_of(shop, second).sensitivity == {
        "size": "internal", "tax_id": "secret", "rating": "public", "price": "internal", "note": "internal",
    }  # fmt: skip
    with Registry(shop).opened("price", second):
        pass  # its files are those that were registered


def test_the_fields_of_a_request_show_their_class(shop):
    first, second = (each.version for each in Registry(shop).versions_in_brief("price"))
    fields = {field.name: field.sensitivity for field in fields_of(signature_of(shop, second))}
    assert fields["tax_id"] is Sensitivity.SECRET
    assert {field.sensitivity for field in fields_of(signature_of(shop, first))} == {None}


def test_classes_are_no_other_interface(shop):
    first, second = Registry(shop).versions_in_brief("price")
    assert second.version.split(".")[0] == first.version.split(".")[0]


def test_a_diff_shows_classes_even_of_secret_columns(shop):
    first, second = Registry(shop).versions_in_brief("price")
    found = compare_versions(shop, ArtifactStore(shop.artifacts_dir), first, second)
    assert {row.name: row.after for row in found.rows if row.name.startswith("sensitivity.")}[
        "sensitivity.tax_id"
    ] == "secret"


def test_the_columns_of_a_version_are_listed_with_both_classes(shop, called):
    version = Registry(shop).versions_in_brief("price")[-1].version
    (shop.root / "bondx.yaml").write_text("protection: {personal: [size]}\n")
    try:
        code, shown, _ = called(main, "data", "classify", "--model", "price", "--workspace", shop.root, "--json")
    finally:
        (shop.root / "bondx.yaml").write_text(CLASSES)
    assert code == 0
    found = {each["name"]: each for each in json.loads(shown)}
    assert found["size"] == {"name": "size", "sensitivity": "personal", "by": "size", "recorded": "internal"}
    assert found["tax_id"] == {"name": "tax_id", "sensitivity": "internal", "recorded": "secret"}
    assert called(main, "data", "classify", "--model", "price", "--version", version, "--workspace", shop.root)[0] == 0


def test_the_columns_of_a_file_are_listed(shop, called):
    code, shown, _ = called(main, "data", "classify", shop.root.parent / "prices.csv", "--workspace", shop.root)
    lines = [line.split() for line in shown.splitlines()]
    assert code == 0
    assert ["tax_id", "secret", "tax_id"] in lines
    assert ["rating", "public", "rat*"] in lines
    assert ["size", "internal", "-"] in lines


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        pytest.param((), "Name a file, or a model", id="nothing"),
        pytest.param(("a.csv", "--model", "price"), "Name a file, or a model", id="both"),
        pytest.param(("a.csv", "--version", "1.0.0"), "--version names a version of a model", id="a version of a file"),
        pytest.param(("missing.csv",), "missing.csv", id="no file"),
        pytest.param(("--model", "nothing"), "nothing", id="no model"),
    ],
)
def test_a_bad_question_for_classes_is_refused(shop, called, line, complaint):
    code, _, err = called(main, "data", "classify", *line, "--workspace", shop.root)
    assert (code, complaint in err, "Traceback" in err) == (2, True, False), err


def test_a_training_on_a_secret_target_is_refused(tmp_path, shop):
    workspace = Workspace.create(tmp_path / "w", settings_text="protection: {secret: [price]}\n")
    request = TrainRequest(model="price", data=shop.root.parent / "prices.csv", target="price")
    with pytest.raises(Exception, match=r"protection\.secret names 'price', the target"):
        train_on_file(workspace, request, settings_in_force(workspace.root), actor=ANA)
