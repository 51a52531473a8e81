"""Slices: levels fixed in the plan, packed into one number, refused where a version does not read the column."""

import pytest

from core.explain.deny_list import DenyList
from core.rollout import Strategy, make_plan
from core.rollout.read_columns import ReadColumn
from core.rollout.slices import MISSING, OTHER, code_of, levels_of, make_slices, places_of
from core.settings.policy import CanaryPolicy, SliceRule

REGION = ReadColumn("category", ("US", "EU", "AS"))
COLUMNS = {
    "region": REGION,
    "sector": ReadColumn("category", ("bank", "utility"), is_closed=True),
    "size": ReadColumn("float", quantiles=tuple(float(part) for part in range(1, 20))),
    "callable": ReadColumn("bool"),
    "note": ReadColumn("text"),
    "issued": ReadColumn("date"),
}


def slices_of(*rules, **more):
    versions = {"m 1.0.0": COLUMNS, "m 1.1.0": COLUMNS} | more
    return make_slices([rule if isinstance(rule, SliceRule) else SliceRule(column=rule) for rule in rules], versions)


def test_the_levels_of_a_denied_column_are_numbered_and_divide_as_ever():
    rules = [SliceRule(column=name) for name in ("sector", "size", "callable", "region")]
    named = make_slices(rules, {"m 1.0.0": COLUMNS})
    hidden = make_slices(rules, {"m 1.0.0": COLUMNS}, DenyList(["s*", "callable"]))
    assert hidden[0].names == (MISSING, "level 1", "level 2")
    assert str(hidden[2]) == "callable (level 1, level 2)"
    assert hidden[3] == named[3]
    assert (hidden[1].origin, set(hidden[1].names[1:])) == ("", {f"level {n}" for n in range(1, len(named[1].names))})
    row = {"sector": "utility", "size": 7.0, "callable": True, "region": "AS"}
    assert code_of(hidden, row) == code_of(named, row)
    assert len(levels_of(hidden)) == len(levels_of(named))


def test_a_category_has_its_levels_and_the_others_together():
    (region,) = slices_of("region")
    assert region.names == (MISSING, "US", "EU", "AS", OTHER)
    assert [region.number_of(value) for value in (None, "US", "AS", "LATAM")] == [0, 1, 3, 4]


def test_a_closed_category_has_no_other_level_and_spends_nothing_on_it():
    (sector,) = slices_of("sector")
    assert sector.names == (MISSING, "bank", "utility")


def test_named_levels_take_the_place_of_the_most_frequent():
    (region,) = slices_of(SliceRule(column="region", levels=("AS",)))
    assert region.names == (MISSING, "AS", OTHER)


def test_a_number_is_cut_where_the_policy_says_and_a_value_at_a_cut_belongs_above():
    (size,) = slices_of(SliceRule(column="size", cuts=(1, 10)))
    assert size.names == (MISSING, "below 1", "1 to 10", "10 or more")
    assert [size.number_of(value) for value in (0.5, 1.0, 9.9, 10.0, None, float("nan"))] == [1, 2, 2, 3, 0, 0]


def test_a_number_without_cuts_is_cut_at_the_quantiles_of_the_training_rows_and_says_so():
    (size,) = slices_of(SliceRule(column="size", bins=4))
    assert size.cuts == (5.0, 10.0, 15.0)
    assert "4 equal parts of the training rows" in str(size)


def test_a_flag_has_two_levels():
    (flag,) = slices_of("callable")
    assert [flag.names[flag.number_of(value)] for value in (0.0, 1.0)] == ["false", "true"]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("regoin", "does not read the slice column 'regoin'; its columns: callable, issued, note"),
        ("issued", "holds dates"),
        ("note", r"name its levels, such as \{column: note, levels"),
        (SliceRule(column="size", levels=("big",)), "is a number: give cuts"),
        (SliceRule(column="region", cuts=(1.0,)), "is not a number: give levels"),
    ],
)
def test_a_rule_that_does_not_fit_is_refused_with_the_cure(rule, message):
    with pytest.raises(ValueError, match=message):
        slices_of(rule)


def test_a_column_that_only_one_version_reads_is_refused():
    with pytest.raises(ValueError, match=r"m 1\.1\.0 does not read the slice column 'region'; its columns: size"):
        slices_of("region", **{"m 1.1.0": {"size": COLUMNS["size"]}})


def test_quantiles_that_are_not_stored_are_asked_for_as_cuts():
    with pytest.raises(ValueError, match="give cuts, such as"):
        make_slices([SliceRule(column="size")], {"m 1.0.0": {"size": ReadColumn("float")}})


def test_a_row_is_found_again_at_its_levels():
    slices = slices_of("region", "callable", SliceRule(column="size", cuts=(3.0,)))
    levels = levels_of(slices)
    code = code_of(slices, {"region": "AS", "callable": True, "size": 2.0})
    assert [str(levels[place]) for place in places_of(slices, code)] == ["region=AS", "callable=true", "size=below 3"]


def test_slices_take_half_of_alpha_and_share_it_equally():
    without, plan = make_plan(Strategy.CANARY), make_plan(Strategy.CANARY, slices=slices_of("region", "callable"))
    assert plan.alpha_per_guard == without.alpha_per_guard / 2
    assert plan.n_slice_tests == 8 * 2  # errors and loss
    assert plan.alpha_per_level * plan.n_slice_tests + plan.alpha_per_guard * len(plan.guards) == pytest.approx(
        plan.alpha
    )


def test_a_policy_names_each_column_once_and_at_most_five():
    assert [rule.column for rule in CanaryPolicy(slices=("region", SliceRule(column="size"))).slice_rules] == [
        "region",
        "size",
    ]
    with pytest.raises(ValueError, match="names a column twice"):
        CanaryPolicy(slices=("region", "region"))
