"""Parts that are read apart agree on the columns of the whole table, and what is kept does not depend on the cut."""

import numpy as np
import pandas as pd
import pytest

from core.domains.table.parted.columns import joined, sent, sent_rows, sent_rules, taken_rows, taken_rules
from core.domains.table.parted.rows import KeptPart, drawn, levels_shown_before, together
from core.domains.table.parted.share import shares_of
from core.domains.table.parted.survey import SurveyedPart, agreed
from core.domains.table.parted.training import _kept
from core.executors.packing import packed, unpacked
from core.tables import ColumnForm, ColumnKind, ReadingRules, TableError, limits, read_table
from core.tables.parts import as_plain, parted, read_part
from core.tables.rules import manners_of


def surveyed(folder, *files, rules=None):
    for k, content in enumerate(files):
        (folder / f"{k}.csv").write_text(content)
    table, rules = parted(folder), rules or ReadingRules()
    work = SurveyedPart(sent_rules(rules))
    return agreed(table, rules, [unpacked(packed(work.do(as_plain(part)))) for part in table.parts])


def test_a_column_is_what_all_of_its_parts_are(tmp_path):
    found = surveyed(
        tmp_path,
        'whole,mixed,money,word\n1,1,"1,500.50",a\n2,2,2.50,-\n',
        "whole,mixed,money,word\n3,1.5,3.25,b\n4,,-,c\n",
    )

    assert found.rules.kinds == {
        "whole": ColumnKind.INTEGER,
        "mixed": ColumnKind.NUMBER,
        "money": ColumnKind.NUMBER,
        "word": ColumnKind.CATEGORY,
    }
    assert found.rules.forms["money"].thousands == ","
    assert found.n_rows == (2, 2)
    assert "money is read as numbers with commas between thousands." in found.notes
    assert "money: 1 cells are read as missing: '-' (1)." in found.notes


def test_parts_that_hold_different_kinds_are_refused_and_read_as_a_person_says(tmp_path):
    files = ("code,x\n12,1\n13,2\n", "code,x\nA4,3\nB5,4\n")

    with pytest.raises(
        TableError,
        match=r"column 'code': it is of kind integer in 0\.csv from line 2 on, and of kind category in 1\.csv",
    ):
        surveyed(tmp_path, *files)
    found = surveyed(tmp_path, *files, rules=ReadingRules(manners=manners_of(["code=category"])))
    assert found.rules.kinds["code"] is ColumnKind.CATEGORY


@pytest.mark.parametrize("is_first", [True, False])
def test_a_code_in_one_part_makes_codes_of_the_digits_in_all_as_in_one_file(is_first, tmp_path):
    codes, digits = "code,x\n007,1\n012,2\nNA,3\n", 'code,x\n277,1\n"1,277",2\n-,3\n'
    files = (codes, digits) if is_first else (digits, codes)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "own.csv").write_text(files[0] + files[1].partition("\n")[2])
    (tmp_path / "parts").mkdir()

    found = surveyed(tmp_path / "parts", *files)

    whole = read_table(tmp_path / "one" / "own.csv")
    parts = [sent(read_part(part, found.rules).frame) for part in parted(tmp_path / "parts").parts]
    pd.testing.assert_frame_equal(joined(parts), whole.frame)
    assert found.rules.kinds["code"] is ColumnKind.CATEGORY
    assert list(found.looks) == ["code"]
    assert found.notes == whole.notes == ()
    assert found.doubts == {}


def test_files_with_other_columns_are_refused(tmp_path):
    with pytest.raises(TableError, match=r"'z' is a column of this file or of 0\.csv, and not of both"):
        surveyed(tmp_path, "x,y\n1,2\n", "x,y,z\n1,2,3\n")


def test_a_column_that_counts_all_rows_is_known_without_a_sample(tmp_path):
    found = surveyed(tmp_path, "n,age,x\n1,1,1\n2,2,4\n", "n,age,x\n3,3,2\n4,4,9\n")

    assert list(found.numbering) == ["n"], "ages count up, and say something of a row all the same"


def test_a_doubt_in_every_part_stays_one_and_is_settled_by_any_part(tmp_path):
    unclear = "price,x\n1.257,1\n2.345,2\n"

    assert "price" in surveyed(tmp_path, unclear, unclear).doubts
    assert surveyed(tmp_path, unclear, 'price,x\n"1.257,50",3\n"2,75",4\n').rules.forms["price"].decimal == ","


def test_rules_travel_whole():
    rules = ReadingRules(
        kinds={"a": ColumnKind.NUMBER, "$b": ColumnKind.TIME},
        forms={"a": ColumnForm(decimal=",", scales=("k",))},
        missing=("-9",),
        manners=manners_of(["a=number", "day-first"]),
        only=frozenset({"a", "$b"}),
    )

    assert taken_rules(unpacked(packed(sent_rules(rules)))) == rules


def test_columns_of_parts_become_those_of_the_whole(tmp_path):
    frame = pd.DataFrame(
        {
            "x": [1.0, np.nan, 3.0, 4.0],
            "$word": pd.Categorical(["b", None, "a", "c"]),
            "day": pd.to_datetime(["2020-01-01"] * 4).astype("datetime64[us]"),
        }
    )
    halves = [frame.iloc[:2], frame.iloc[2:]]
    trimmed = [half.assign(**{"$word": half["$word"].cat.remove_unused_categories()}) for half in halves]

    found = joined([unpacked(packed(sent(half))) for half in trimmed])

    assert found["$word"].cat.categories.tolist() == ["a", "b", "c"]
    assert found["$word"].cat.codes.tolist() == [1, -1, 0, 2]
    pd.testing.assert_frame_equal(found[["x", "day"]], frame[["x", "day"]])


def test_a_draw_does_not_depend_on_how_rows_are_cut():
    rows = np.arange(50_000)

    whole = drawn(rows, len(rows), 5_000)

    assert np.concatenate([drawn(part, len(rows), 5_000) for part in np.split(rows, 5)]).tolist() == whole.tolist()
    assert abs(whole.sum() - 5_000) < 300
    assert drawn(rows, 10, 10).all()


def test_what_a_sample_may_miss_is_shown_beside_it(tmp_path):
    n = 3_000
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"x": rng.normal(size=n).round(4), "kind": ["usual"] * n, "target": ["no"] * n})
    frame.loc[1_234, ["x", "kind"]] = [99.0, "rare"]
    frame.loc[17, "x"] = np.nan
    frame.loc[100:114, "target"] = "yes"
    file = tmp_path / "own.csv"
    frame.to_csv(file, index=False)
    (part,) = parted(file).parts
    rules = ReadingRules(kinds={"x": ColumnKind.NUMBER, "kind": ColumnKind.CATEGORY, "target": ColumnKind.CATEGORY})
    shared = {"rules": sent_rules(rules), "target": "target", "group": None, "time": None, "drop": False}
    work = KeptPart({**shared, "n_rows": n, "most": 60})

    kept = together([unpacked(packed(work.do({"part": as_plain(part), "first": 0, "n_rows": n, "shown": []})))], n)

    assert 30 < len(kept.sample) < 100
    assert len(kept.roles) == n
    assert kept.shown["x"].max() == 99.0
    assert kept.shown["x"].isna().any()
    assert list(kept.shown["kind"].cat.categories) == ["rare", "usual"]
    assert (kept.shown["target"] == "yes").sum() >= 10
    whole = read_table(file).frame
    assert kept.shown["x"].tolist()[:5] == pytest.approx(whole["x"][kept.shown_at].tolist()[:5], nan_ok=True)


def kept_of(folder, files, *, most, drop=False):
    """Read the parts as a training on a cluster does."""
    survey = surveyed(folder, *files)
    table = parted(folder)
    shared = {"rules": sent_rules(survey.rules), "target": "y", "group": None, "time": None, "drop": drop}
    kept, _ = _kept(table, survey, shared, [as_plain(part) for part in table.parts], HereCluster(most))
    return kept


class HereCluster:
    """Does the tasks here, as a worker would, with a sample of so many rows."""

    def __init__(self, most):
        self.most = most
        self.answers = []

    def map(self, work, tasks):
        shared = unpacked(packed({**work.shared(), "most": self.most}))
        self.answers = [unpacked(packed(work.there(shared).do(unpacked(packed(task))))) for task in tasks]
        return self.answers


def many(n_parts, n, cells):
    rows = [[f"{cells(part, row)},{row}.5" for row in range(n)] for part in range(n_parts)]
    return ["\n".join(["name,y", *part, ""]) for part in rows]


def test_a_level_is_shown_by_one_part_and_all_levels_are_shown(tmp_path):
    files = many(6, 90, lambda part, row: f"level {row % 30}" if part else f"level {row % 20}")

    kept = kept_of(tmp_path, files, most=1)

    assert set(kept.shown["name"]) == {f"level {k}" for k in range(30)}
    assert len(kept.shown) <= 30 + 6 * 2 + 3, "the levels, the ends of y in each part, and the sample"


def test_a_column_with_a_level_for_each_row_is_no_longer_shown_once_it_has_too_many(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MOST_LEVELS", 20)
    files = many(8, 60, lambda part, row: f"row {part} {row}")

    keys = [levels["name"] for levels in surveyed(tmp_path, *files).levels]
    before = levels_shown_before([{"name": each} for each in keys])

    assert [len(each) for each in keys] == [21] * 8
    assert [len(each["name"]) for each in before] == [0, *[21] * 7], "the first part alone shows them"


def test_levels_of_rows_without_a_target_are_shown_by_each_part_that_keeps_them(tmp_path):
    files = ["name,y\na,\nb,1.5\nc,2.5\n", "name,y\na,3.5\nb,4.5\nc,0.5\n"]

    kept = kept_of(tmp_path, files, most=0, drop=True)

    assert set(kept.shown["name"]) == {"a", "b", "c"}


def test_no_name_travels_whose_row_is_not_shown(tmp_path):
    files = many(3, 200, lambda part, row: f"row {part} {row}")
    survey = surveyed(tmp_path, *files)
    part = parted(tmp_path).parts[0]
    shared = {"rules": sent_rules(survey.rules), "target": None, "group": None, "time": None, "drop": False}
    task = {"part": as_plain(part), "first": 0, "n_rows": 200, "shown": [("name", survey.levels[0]["name"])]}

    answer = KeptPart({**shared, "n_rows": 600, "most": 30}).do(task)

    (_, names), _ = answer["shown"]
    assert len(names["levels"]) == len(set(names["codes"].tolist())) < 60


def test_shares_hold_about_the_same_rows_in_order_and_none_is_empty():
    tasks = [{"part": k, "rows": sent_rows(np.arange(100) < n)} for k, n in enumerate((100, 0, 90, 10, 100, 100))]

    shares = shares_of(tasks, 2)

    assert [[task["part"] for task in share] for share in shares] == [[0, 2, 3], [4, 5]]
    assert len(shares_of(tasks[:1], 3)) == 1
    assert taken_rows(unpacked(packed(tasks[2]["rows"]))).sum() == 90
