"""What a candidate refuses and the live version accepts is named in the plan."""

import pytest

from core.explain.deny_list import DenyList
from core.models.scoring.fields import Field
from core.registry import Stage
from core.rollout.stricter import refused_newly
from core.tables.signature import ColumnKind, ColumnSignature, TableSignature, Task
from tests.core.rollout.conftest import ANA, PASSED

AGE = Field(name="age", kind="float", least=0, most=120)


@pytest.mark.parametrize(
    ("live", "candidate", "refused"),
    [
        ([AGE], [AGE], ()),
        ([AGE, Field(name="gone", kind="text")], [AGE], ()),
        ([], [AGE], ("without age",)),
        ([Field(name="age", kind="float", required=False)], [Field(name="age", kind="float")], ("without age",)),
        ([Field(name="age", kind="float", nullable=True)], [Field(name="age", kind="float")], ("age empty",)),
        ([AGE], [Field(name="age", kind="float", least=18, most=99)], ("age below 18", "age above 99")),
        ([AGE], [Field(name="age", kind="float", least=18, most=99, strict=False)], ()),
        ([Field(name="age", kind="float", least=0, strict=False)], [AGE], ("age below 0", "age above 120")),
        ([AGE], [Field(name="age", kind="int", least=0, most=120)], ("age with decimals",)),
        ([AGE], [Field(name="age", kind="bool")], ("age other than true, false, 0 and 1",)),
        ([AGE], [Field(name="age", kind="text")], ("age as a number",)),
        ([Field(name="day", kind="text")], [Field(name="day", kind="date")], ("day other than dates",)),
        (
            [Field(name="area", kind="category", categories=("a", "b", "c"))],
            [Field(name="area", kind="category", categories=("a", "d"))],
            ("area b, c",),
        ),
        (
            [Field(name="area", kind="text")],
            [Field(name="area", kind="category", categories=("a", "b"))],
            ("area other than a, b",),
        ),
    ],
)
def test_names_what_is_newly_refused(live, candidate, refused):
    assert refused_newly(live, candidate) == refused


def test_what_is_newly_refused_of_a_masked_column_is_named_without_a_value_of_it():
    live = [Field(name=name, kind="category", categories=("a", "b")) for name in ("area", "town")]
    live += [Field(name="note", kind="text"), AGE]
    candidate = [Field(name=name, kind="category", categories=("a",)) for name in ("area", "town", "note")]
    candidate.append(Field(name="age", kind="float", least=18, most=99))
    assert refused_newly(live, candidate, DenyList(of_values=["town", "note", "age"])) == (
        "area b",
        "town with levels that are gone",
        "note other than its levels",
        "age below its range",
        "age above its range",
    )


def test_the_plan_of_a_rollout_says_it(rollouts, registry, tmp_path):
    numbers = []
    for names, empty in ((("amount",), True), (("amount", "region"), False)):
        folder = tmp_path / "-".join(names)
        folder.mkdir()
        columns = tuple(ColumnSignature(name=name, kind=ColumnKind.NUMBER, allows_missing=empty) for name in names)
        signature = TableSignature(task=Task.REGRESSION, target="loss", columns=columns)
        (folder / "signature.json").write_bytes(signature.to_bytes())
        version = registry.register(
            "claims", folder, metrics={"attainment": 0.9}, lineage={}, gates=PASSED, actor=ANA
        ).version
        numbers.append(version)
        stage = Stage.STAGING if numbers[1:] else Stage.PRODUCTION
        while registry.get("claims", version).stage is not stage:
            registry.apply(registry.plan_promotion("claims", version), actor=ANA)
    plan = rollouts.plan("claims", numbers[1])
    assert plan.refused_newly == ("amount empty", "without region")
    line = f"Requests that {numbers[0]} accepts and {numbers[1]} refuses: amount empty; without region."
    assert line in plan.effects[:3]
