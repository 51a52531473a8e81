"""Whole numbers that a float cannot hold keep their digits, in whatever format and type they come."""

import json
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.tables import ReadingRules, read_table
from core.tables.rules import manners_of
from core.tables.signature import ColumnKind

LARGE = [2**62 + k for k in range(5)]


def written(tmp_path, values, form):
    """Write one column `id` beside `x` in a format."""
    if form == "csv":
        file = tmp_path / "t.csv"
        file.write_text("id,x\n" + "".join(f"{'' if v is None else v},{k}\n" for k, v in enumerate(values)))
    elif form == "jsonl":
        file = tmp_path / "t.jsonl"
        file.write_text("".join(json.dumps({"id": v, "x": k}) + "\n" for k, v in enumerate(values)))
    else:
        file = tmp_path / "t.parquet"
        kept = [None if v is None else Decimal(v) for v in values] if form.startswith("decimal") else values
        kind = pa.decimal128(20, 0) if form.startswith("decimal") else pa.type_for_alias(form)
        pq.write_table(pa.table({"id": pa.array(kept, kind), "x": range(len(values))}), file)
    return file


@pytest.mark.parametrize("form", ["csv", "jsonl", "int64", "uint64", "decimal128"])
@pytest.mark.parametrize(
    "values",
    [LARGE, [*LARGE, None], [1, 20, *LARGE], [2**53 + 1, 2**53, 7]],
    ids=["all large", "with a gap", "some large", "just beyond a float"],
)
def test_large_whole_numbers_are_told_apart_in_every_format(tmp_path, values, form):
    column = read_table(written(tmp_path, values, form)).frame["id"]

    assert sorted(column.cat.categories, key=int) == sorted(map(str, {v for v in values if v is not None}), key=int)
    assert column.isna().sum() == values.count(None)


@pytest.mark.parametrize("form", ["csv", "jsonl", "int64"])
def test_negative_large_whole_numbers_keep_their_digits(tmp_path, form):
    values = [-(2**60) - 1, -(2**60), 5]
    assert set(read_table(written(tmp_path, values, form)).frame["id"]) == set(map(str, values))


@pytest.mark.parametrize("form", ["csv", "jsonl", "int64", "decimal128"])
def test_whole_numbers_that_a_float_holds_stay_numbers(tmp_path, form):
    table = read_table(written(tmp_path, [2**53, 0, 12], form))
    assert table.kinds["id"] is ColumnKind.INTEGER
    assert list(table.frame["id"]) == [2.0**53, 0, 12]


@pytest.mark.parametrize("form", ["csv", "jsonl", "int64"])
def test_a_person_may_read_large_whole_numbers_as_numbers(tmp_path, form):
    rules = ReadingRules(manners=manners_of(["id=number"]))
    table = read_table(written(tmp_path, LARGE, form), rules=rules)
    assert table.kinds["id"] in (ColumnKind.NUMBER, ColumnKind.INTEGER)
