"""Columns that name rows are left out and the others are not; each reason says what the column looks like."""

import numpy as np
import pandas as pd
import pytest

from core.tables import TableError, TaskRequest, describe, read_table

N = 400
RNG = np.random.default_rng(11)
SHUFFLED = RNG.permutation(N)
SPARSE = np.sort(RNG.choice(10**7, N, replace=False))


@pytest.fixture
def described(tmp_path):
    """Describe a table with one more column."""

    def made(name, values, keep=(), suffix=".csv"):
        rng = np.random.default_rng(1)
        frame = pd.DataFrame({"size": rng.normal(size=N), name: values, "price": rng.normal(size=N)})
        path = tmp_path / f"data{suffix}"
        frame.to_parquet(path) if suffix == ".parquet" else frame.to_csv(path, index=False)
        found = describe(read_table(path), TaskRequest(target="price", keep=tuple(keep)))
        return found.names, {column.name: column.reason for column in found.ignored}

    return made


@pytest.mark.parametrize(
    ("name", "values"),
    [
        pytest.param("Id", np.arange(1, N + 1), id="an id in order"),
        pytest.param("Unnamed: 0", np.arange(N), id="an index that was saved"),
        pytest.param("index", SHUFFLED, id="an index, shuffled"),
        pytest.param("n", SHUFFLED + 1, id="counted, whatever its name"),
        pytest.param("whatever", np.arange(N)[::-1] + 10_000, id="counted down"),
        pytest.param("customer_id", SPARSE, id="an id of a sample"),
        pytest.param("orderNo", RNG.permutation(SPARSE), id="a number in camel case"),
        pytest.param("ID", np.append(SPARSE[:350], SPARSE[:50]), id="an id, some of them twice"),
        pytest.param("id_cliente", SPARSE, id="the id before the thing"),
        pytest.param("patientid", RNG.permutation(SPARSE), id="an id in one word"),
        pytest.param("Id_x", SPARSE, id="an id that a join has renamed"),
        pytest.param("Unnamed: 0.1", SHUFFLED, id="an index that was saved twice"),
        pytest.param("time_id", SHUFFLED, id="an id of times"),
        pytest.param("case", SHUFFLED + 1, id="numbered cases, shuffled"),
        pytest.param("number", np.arange(1, N + 1), id="a number that counts up"),
        pytest.param("zip code", SPARSE, id="a code"),
        pytest.param("df_index", SHUFFLED, id="an index of a frame"),
        pytest.param("__index_level_0__", SHUFFLED, id="an index that pandas saved"),
    ],
)
def test_whole_numbers_that_name_rows_are_left_out_and_may_be_kept(name, values, described):
    for suffix in (".csv", ".parquet"):
        names, reasons = described(name, values, suffix=suffix)

        assert names == ("size",)
        assert "rows" in reasons[name]
        assert "--keep" in reasons[name]
        assert f"{int(values.min())} to {int(values.max())}" in reasons[name]
        assert described(name, values, keep=[name], suffix=suffix)[0] == ("size", name)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        pytest.param("population", SPARSE, id="large numbers, all different"),
        pytest.param("price_cents", RNG.permutation(10**5)[:N], id="amounts, all different"),
        pytest.param("rank", SHUFFLED + 1, id="a rank"),
        pytest.param("year", np.arange(1600, 1600 + N), id="years"),
        pytest.param("age", np.arange(N) % 80, id="whole numbers that repeat"),
        pytest.param("id_type", np.arange(N) % 4, id="a kind of id"),
        pytest.param("width", np.arange(N) * 1.5, id="numbers with decimals"),
        pytest.param("seen", np.where(np.arange(N) == 7, np.nan, np.arange(N)), id="numbers with a gap"),
        pytest.param("solid", SPARSE, id="a word that ends in id"),
        pytest.param("visits", np.arange(N) * 3, id="every third number"),
        *(
            pytest.param(name, RNG.permutation(SPARSE), id=f"an amount: {name}")
            for name in (
                *("number_of_employees", "num_of_adults", "Number.thousands", "number", "no_rooms", "n_ids"),
                *("total number", "id_cards", "consumer price index", "NumberOfCodes", "max_id", "numbers"),
            )
        ),
        *(
            pytest.param(name, SHUFFLED + 1, id=f"all of a range, in an order of its own: {name}")
            for name in ("days", "Wealth", "Lottery", "Donation_clergy", "weight", "employees", "number_of_items")
        ),
        *(
            pytest.param(name, np.arange(1, N + 1), id=f"an axis: {name}")
            for name in (
                "t",
                "days",
                "monthsSinceY2K",
                "years",
                "centuries",
                "week_no",
                "day number",
                "wavelength",
                "lag",
            )
        ),
    ],
)
def test_whole_numbers_that_measure_something_are_learned_from(name, values, described):
    names, reasons = described(name, values)

    assert names == ("size", name)
    assert reasons == {}


@pytest.mark.parametrize(
    ("name", "values", "parts"),
    [
        pytest.param("code", [f"row {k}" for k in range(N)], ["400 different values", "'row 0'"], id="texts"),
        pytest.param("same", ["a"] * N, ["'a'"], id="one word"),
        pytest.param("when", ["2026-03-31"] * 200 + ["2026-04-01"] * 200, ["2026-03-31", "days"], id="a date"),
        pytest.param(
            "mixed",
            [f"{k}.25" if k % 4 else f"nix{k}" for k in range(N)],
            ["75% of its cells look like numbers", "'nix0'", "--na nix0"],
            id="numbers and words",
        ),
        pytest.param(
            "day",
            [f"2026-01-{1 + k % 28:02d}T{k % 24:02d}:{k % 60:02d}" if k % 4 else f"late {k}" for k in range(N)],
            ["look like dates", "'late 0'"],
            id="dates and words",
        ),
        pytest.param("zip", [f"{k:05d}" for k in range(N)], ["read as names", "--read zip=number"], id="digits"),
    ],
)
def test_what_a_left_out_column_looks_like_is_said_with_share_and_example(name, values, parts, described):
    names, reasons = described(name, values)

    assert name not in names
    for part in parts:
        assert part in reasons[name]


def test_a_column_that_holds_nothing_cannot_be_kept(described):
    with pytest.raises(TableError, match="the same in every row: 7, so it cannot be kept"):
        described("same", [7] * N, keep=["same"])
    with pytest.raises(TableError, match="no column 'nobody'"):
        described("same", np.arange(N) % 3, keep=["nobody"])


@pytest.mark.parametrize("scale", [1e300, 1e31, 1e-31, 1e-300])
@pytest.mark.parametrize("column", ["size", "price"])
def test_numbers_beyond_the_scale_of_learners_get_one_clear_refusal(scale, column, tmp_path):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"size": rng.normal(size=N), "price": rng.normal(size=N)})
    frame[column] *= scale * 10 ** np.sign(np.log10(scale))
    frame.to_csv(tmp_path / "data.csv", index=False)

    with pytest.raises(TableError, match=rf"line \d+, column '{column}': .*unit"):
        describe(read_table(tmp_path / "data.csv"), TaskRequest(target="price"))
