"""A signature checks requests against the model's training data."""

import math

import pandas as pd
import pytest

from core.tables import ColumnKind, ColumnSignature, InputError, TableSignature, Task
from core.tables.task import column_signature

SIGNATURE = TableSignature(
    task=Task.REGRESSION,
    target="price",
    columns=(
        ColumnSignature(name="size", kind=ColumnKind.NUMBER, allows_missing=True, least=0.0, most=10.0),
        ColumnSignature(name="count", kind=ColumnKind.INTEGER, allows_missing=False, least=0.0, most=5.0),
        ColumnSignature(name="grade", kind=ColumnKind.CATEGORY, allows_missing=False, levels=("A", "B")),
        ColumnSignature(name="open", kind=ColumnKind.FLAG, allows_missing=False, least=0.0, most=1.0),
    ),
)
GOOD = {"size": 1.5, "count": 2, "grade": "A", "open": True}


def test_a_signature_is_read_back_as_it_was_written(tmp_path):
    (tmp_path / "signature.json").write_bytes(SIGNATURE.to_bytes())

    assert TableSignature.read(tmp_path) == SIGNATURE
    assert TableSignature.read(tmp_path / "elsewhere") is None


def test_valid_rows_pass_and_their_unseen_values_are_counted():
    rows = [GOOD, GOOD | {"size": None}, GOOD | {"size": 99.0, "grade": "Z"}, GOOD | {"extra": 1}]

    notes = SIGNATURE.check(rows)

    assert notes.out_of_range == {"size": 1}
    assert notes.unseen_levels == {"grade": 1}


def test_a_fraction_in_a_column_of_whole_numbers_is_counted():
    notes = SIGNATURE.check([GOOD, GOOD | {"count": 1.5}, GOOD | {"count": 3.0}])

    assert notes.decimals == {"count": 1}
    assert notes.sentences() == ["1 value of count with decimals, where the training data has whole numbers"]


@pytest.mark.parametrize(
    ("change", "column"),
    [
        pytest.param({"count": None}, "count", id="empty in a column that never was"),
        pytest.param({"count": math.nan}, "count", id="NaN in a column that never was empty"),
        pytest.param({"size": "1.5"}, "size", id="a number in quotes"),
        pytest.param({"size": math.inf}, "size", id="infinity"),
        pytest.param({"size": True}, "size", id="a flag instead of a number"),
        pytest.param({"grade": 1}, "grade", id="a number instead of a category"),
        pytest.param({"open": 2}, "open", id="two instead of a flag"),
    ],
)
def test_a_wrong_value_is_named_by_row_and_column(change, column):
    with pytest.raises(InputError) as caught:
        SIGNATURE.check([GOOD, GOOD | change])

    assert (caught.value.row, caught.value.column) == (1, column)


def test_a_missing_column_is_named_with_the_most_similar_column():
    with pytest.raises(InputError, match="Is it 'grades'"):
        SIGNATURE.require_columns(["size", "count", "grades", "open"])


def test_a_wider_number_is_the_same_interface_and_another_column_is_not():
    import msgspec

    wider = tuple(
        msgspec.structs.replace(c, kind=ColumnKind.NUMBER) if c.name == "count" else c for c in SIGNATURE.columns
    )

    assert SIGNATURE.reads_the_same(msgspec.structs.replace(SIGNATURE, columns=wider))
    assert not SIGNATURE.reads_the_same(msgspec.structs.replace(SIGNATURE, columns=SIGNATURE.columns[:3]))


def test_a_signature_is_light_to_import():
    import subprocess
    import sys

    code = "import sys, core.tables; print([m for m in ('numpy', 'pandas', 'pyarrow') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_the_training_rows_leave_their_quantiles_and_their_most_frequent_levels() -> None:
    size = column_signature(pd.Series([float(value) for value in range(101)]), "size", ColumnKind.NUMBER)
    assert (size.quantiles[0], size.quantiles[9], size.quantiles[18]) == (5.0, 50.0, 95.0)
    region = column_signature(pd.Series(["US", "EU", "EU", "AS"], dtype="category"), "region", ColumnKind.CATEGORY)
    assert region.common == ("EU", "AS", "US")
    assert column_signature(pd.Series([0.0, 1.0]), "flag", ColumnKind.FLAG).quantiles == ()
