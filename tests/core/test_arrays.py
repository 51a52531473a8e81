"""The array types of core have one home."""

from pathlib import Path

CORE = Path(__file__).parents[2] / "core"


def test_array_types_are_defined_in_one_module():
    elsewhere = {file for file in CORE.rglob("*.py") if "numpy.typing" in file.read_text(encoding="utf-8")}
    assert elsewhere == {CORE / "arrays.py"}
