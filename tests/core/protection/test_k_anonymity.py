"""Classes below k never leave, whatever the table; brute force counts the same."""

from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.protection.errors import AnonymisingError
from core.protection.generalising import Ladder, binned, coarsened, pooled
from core.protection.k_anonymity import classes_of, k_anonymous
from core.tables.signature import ColumnKind


def by_hand(columns, persons=None):
    """Count the persons of each combination, one row at a time."""
    found = defaultdict(set)
    for row in range(len(columns[0])):
        cells = tuple("missing" if pd.isna(column.iloc[row]) else str(column.iloc[row]) for column in columns)
        if persons is None:
            found[cells].add(row)
        else:
            found[cells] |= set() if pd.isna(persons.iloc[row]) else {str(persons.iloc[row])}
    return {cells: max(len(who), 1) for cells, who in found.items()}


def table(seed, n):
    rng = np.random.default_rng(seed)
    age = pd.Series(rng.integers(18, 80, n).astype(float)).where(rng.random(n) > 0.1)
    town = pd.Series(rng.choice(["Bonn", "Köln", "Ulm", None], n, p=[0.5, 0.3, 0.15, 0.05])).astype("category")
    born = pd.Series(pd.to_datetime("1950-01-01") + pd.to_timedelta(rng.integers(0, 20_000, n), unit="D"))
    born = born.where(rng.random(n) > 0.05)
    return {
        "age": Ladder.of(age, ColumnKind.INTEGER, least=3),
        "town": Ladder.of(town, ColumnKind.CATEGORY, least=3),
        "born": Ladder.of(born, ColumnKind.TIME, least=3),
    }


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(20, 120),
    k=st.integers(2, 12),
    suppressed=st.sampled_from([0.0, 0.05, 0.3, 1.0]),
    has_persons=st.booleans(),
)
def test_every_class_that_stays_has_k_persons_counted_by_hand(seed, n, k, suppressed, has_persons):
    ladders = table(seed, n)
    rng = np.random.default_rng(seed + 1)
    persons = pd.Series(rng.integers(0, max(n // 2, 1), n).astype(float)).where(rng.random(n) > 0.1)
    persons = persons if has_persons else None
    try:
        found = k_anonymous(ladders, k=k, max_suppressed=suppressed, persons=persons)
    except AnonymisingError:
        assert max(by_hand([ladder.at(len(ladder) - 1) for ladder in ladders.values()], persons).values()) < k
        return
    kept = [column[found.kept] for column in found.columns.values()]
    counted = by_hand(kept, None if persons is None else persons[found.kept])
    assert min(counted.values()) == found.after.smallest >= k
    assert len(counted) == len(found.after.n_persons)
    assert (~found.kept).sum() / n <= suppressed
    before = by_hand([ladder.at(0) for ladder in ladders.values()], persons)
    assert min(before.values()) == found.before.smallest


def test_a_table_that_is_anonymous_already_stays_as_it_is():
    column = pd.Series([1.0, 1.0, 2.0, 2.0, np.nan, np.nan])
    found = k_anonymous({"a": Ladder.of(column, ColumnKind.NUMBER, least=2)}, k=2, max_suppressed=0)
    assert (found.kept.all(), found.steps, found.after.smallest) == (True, {}, 2)


def test_a_missing_value_is_a_value_of_its_own():
    assert classes_of([pd.Series([1.0, np.nan, np.nan])]).smallest == 1


def test_rows_of_one_person_are_one_person():
    column, persons = pd.Series(["a"] * 5), pd.Series(["Ana"] * 4 + ["Bo"])
    assert classes_of([column]).smallest == 5
    assert classes_of([column], persons).smallest == 2


@pytest.mark.parametrize(
    ("persons", "n_persons"),
    [
        pytest.param([None] * 6, 1, id="nobody is named: it may be one person"),
        pytest.param(["Ana", "Bo", None, None, None, None], 2, id="the rows may be of Ana"),
        pytest.param(["Ana", "Ana", "", "  ", "\u00a0", np.nan], 1, id="blank text"),
        pytest.param(["Ren\u00e9", "Rene\u0301"] * 3, 1, id="two forms of one name"),
        pytest.param([1.0, 2.0, np.nan, np.nan, np.nan, 2.0], 2, id="numbers"),
    ],
)
def test_rows_without_a_person_are_no_persons_of_their_own(persons, n_persons):
    column = pd.Series(["53111"] * 6)
    assert classes_of([column], pd.Series(persons)).smallest == n_persons
    assert classes_of([column], pd.Series(persons).astype("category")).smallest == n_persons


def test_rows_without_a_person_make_no_class_large_enough():
    ladder = Ladder.of(pd.Series(["53111"] * 6).astype("category"), ColumnKind.CATEGORY, least=5)
    with pytest.raises(AnonymisingError, match=r"the table has 1 person \(6 rows do not say whose they are\), even if"):
        k_anonymous({"zip": ladder}, k=5, max_suppressed=0.05, persons=pd.Series([None] * 6))


def test_many_columns_with_many_values_do_not_overflow():
    columns = [pd.Series(np.random.default_rng(n).permutation(2_000)) for n in range(12)]
    assert len(classes_of(columns).n_persons) == 2_000


def test_k_beyond_the_table_is_refused_with_the_number_that_there_is():
    ladder = Ladder.of(pd.Series([1.0, 2.0]), ColumnKind.NUMBER, least=3)
    with pytest.raises(
        AnonymisingError, match=r"k = 3 cannot be reached: the table has 2 rows, even if 'a' are emptied"
    ):
        k_anonymous({"a": ladder}, k=3, max_suppressed=1)


@pytest.mark.parametrize("n_bins", [2, 4, 8])
def test_a_bin_is_one_of_its_values_and_keeps_the_order(n_bins):
    values = pd.Series(np.random.default_rng(3).normal(size=200))
    found = binned(values, n_bins)
    assert set(found) <= set(values)
    assert found.nunique() == n_bins
    assert (found[values.sort_values().index].diff().dropna() >= 0).all()


def test_equal_numbers_are_in_one_bin():
    values = pd.Series([0.0] * 90 + list(np.arange(1.0, 11.0)))
    assert binned(values, 4)[values == 0].nunique() == 1


def test_dates_before_1970_begin_their_period():
    times = pd.Series(pd.to_datetime(["1969-12-31", "1950-02-03", None]))
    assert coarsened(times, "quarter").dt.strftime("%Y-%m-%d").fillna("").tolist() == ["1969-10-01", "1950-01-01", ""]
    assert coarsened(times, "year").dt.strftime("%Y-%m-%d").fillna("").tolist() == ["1969-01-01", "1950-01-01", ""]


def test_rare_words_are_one_word():
    words = pd.Series(["a", "a", "a", "b", "c", None]).astype("category")
    assert pooled(words, 2).astype(object).where(words.notna(), None).tolist() == [
        "a",
        "a",
        "a",
        "(other)",
        "(other)",
        None,
    ]
