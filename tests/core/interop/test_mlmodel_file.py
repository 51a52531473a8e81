"""A hostile `MLmodel` is refused before MLflow parses it."""

import pytest

from core.interop import mlmodel_file
from core.interop.mlmodel_file import BadDescriptionError, check_description

USUAL = """
auth: &id001 {scopes: [a]}
resources: [*id001, *id001]
artifact_path: model
flavors:
  lightgbm: {data: model.lgb, lgb_version: 4.6.0, model_class: lightgbm.basic.Booster}
  python_function: {env: {conda: conda.yaml}, loader_module: mlflow.lightgbm}
signature:
  inputs: '[{"type": "double", "name": "amount", "required": true}]'
utc_time_created: '2026-11-26 07:36:00.000000'
"""
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (BOMB, r"stands for more than 100,000 values \(line 6\)"),
        ("flavors: !!python/object/apply:os.system [id]\n", "holds the YAML tag"),
        ("a: &a [*a]\n", r"refers to a node inside itself \(line 1\)"),
        ("[" * 60 + "]" * 60, "is nested more than 40 levels deep"),
        ("flavors: [\n", "is not YAML"),
        ("a: \x00\n", "is not YAML"),
        ('a: "\\UFFFFFFFF"\n', "is not YAML"),
        ("%YAML 1." + "9" * 5_000 + "\n--- a\n", "is not YAML"),
    ],
    ids=["bomb", "object", "circle", "deep", "torn", "nul", "escape", "version"],
)
def test_what_mlflow_never_writes_is_refused(tmp_path, text, problem):
    (tmp_path / "MLmodel").write_text(text)
    with pytest.raises(BadDescriptionError, match=problem):
        check_description(tmp_path / "MLmodel")


def test_a_link_and_a_huge_file_are_refused(tmp_path, monkeypatch):
    (tmp_path / "other").write_text(USUAL)
    (tmp_path / "MLmodel").symlink_to(tmp_path / "other")
    with pytest.raises(BadDescriptionError, match="cannot be read"):
        check_description(tmp_path / "MLmodel")
    monkeypatch.setattr(mlmodel_file, "MAX_BYTES", 100)
    with pytest.raises(BadDescriptionError, match="is larger than"):
        check_description(tmp_path / "other")


def test_what_mlflow_writes_passes(tmp_path):
    (tmp_path / "MLmodel").write_text(USUAL)
    check_description(tmp_path / "MLmodel")
