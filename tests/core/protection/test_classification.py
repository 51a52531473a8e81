"""Columns have a class: by the settings, and as it was recorded when a version was made."""

import json
from fnmatch import fnmatchcase

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.cli.main import main
from core.actor import Actor, Origin
from core.explain.deny_list import DenyList
from core.models.scoring.fields import fields_of
from core.monitoring.estimation.held_out import hidden_among
from core.registry import Registry
from core.registry.artifacts import ArtifactStore
from core.registry.diff import compare_versions
from core.settings import SettingsError, load_settings, settings_in_force
from core.settings.feature_log import FeatureLogSettings
from core.settings.patterns import is_named
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


@pytest.mark.parametrize(
    ("column", "pattern"),
    [
        pytest.param("ke\u0301nnung", "k\u00e9nnung", id="a letter and its accent as two characters"),
        pytest.param("k\u00e9nnung", "ke\u0301nnung", id="the same in the settings"),
        pytest.param("ke\u0301nnung", "k\u00e9*", id="a pattern"),
        pytest.param("ke\u0301nnung", "k?nnung", id="one letter"),
        pytest.param("ke\u0301nnung", "k??nnung", id="two characters, as it is written"),
        pytest.param("iban\u200b", "iban", id="a zero-width space at the end"),
        pytest.param("i\u200dban", "iban", id="a joiner inside"),
        pytest.param("\ufeffiban", "iban", id="a byte order mark"),
        pytest.param("ib\u00adan", "iban", id="a soft hyphen"),
        pytest.param("iban\U000e0041", "iban", id="a tag"),
        pytest.param("iban\ufe0f", "iban", id="a variation selector"),
        pytest.param("e\u034f\u0301cole", "\u00e9cole", id="a joiner between a letter and its accent"),
        pytest.param("iban", "iban\u200b", id="a character in the settings that nobody sees"),
    ],
)
def test_names_that_look_the_same_have_the_same_class(column, pattern):
    protection = ProtectionSettings(public=("*",), secret=(pattern,))
    assert protection.sensitivity_of(column) is Sensitivity.SECRET
    assert DenyList([pattern]).denies(column)
    assert FeatureLogSettings(mask=(pattern,)).masks(column)
    assert hidden_among([column], [pattern]) == {column}


@pytest.mark.parametrize(
    ("column", "pattern"),
    [
        pytest.param("\u0456ban", "iban", id="another alphabet"),
        pytest.param("\ufb01rm", "firm", id="a ligature"),
        pytest.param("kennung", "k\u00e9nnung", id="another letter"),
    ],
)
def test_other_letters_make_another_name(column, pattern):
    assert ProtectionSettings(secret=(pattern,)).sensitivity_of(column) is Sensitivity.INTERNAL


@given(name=st.text(max_size=8), pattern=st.text(alphabet="ab*?[]!e\u0301\u00e9\u200b", max_size=8))
def test_a_list_never_names_less_than_as_it_is_written(name, pattern):
    assert is_named(name, [pattern]) or not (name == pattern or fnmatchcase(name, pattern))


def test_look_alikes_leave_no_file_and_no_target(tmp_path, called):
    text = "protection: {secret: ['k\u00e9nnung', iban], personal: ['pr\u00e9nom'], key_env: NAMES}\n"
    workspace = Workspace.create(tmp_path / "w", settings_text=text)
    rows = "".join(f"{n},secret{n},DE{n},Ana{n}\n" for n in range(60))
    (tmp_path / "t.csv").write_text(f"size,ke\u0301nnung,iban\u200b,pre\u0301nom\n{rows}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAMES", "0123456789abcdef")
        to = ("--out", tmp_path / "o.csv", "--workspace", workspace.root)
        code, _, err = called(main, "data", "anonymise", tmp_path / "t.csv", *to)
    assert code == 0, err
    written = (tmp_path / "o.csv").read_text()
    assert not any(word in written for word in ("secret1", "DE1", "Ana1"))
    (tmp_path / "t.csv").write_text("size,ke\u0301nnung\n" + "".join(f"{n % 7},{n / 4}\n" for n in range(90)))
    request = TrainRequest(model="price", data=tmp_path / "t.csv", target="ke\u0301nnung")
    with pytest.raises(Exception, match=r"protection\.secret names .*, the target"):
        train_on_file(workspace, request, settings_in_force(workspace.root), actor=ANA)


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
