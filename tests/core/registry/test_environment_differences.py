import json
import platform
from importlib import metadata

import pytest

from core.registry import Registry
from core.tracking.environment import differences

HERE = {"python": platform.python_version(), "packages": {"numpy": metadata.version("numpy"), "textual": "0.0"}}


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        pytest.param(HERE, [], id="made here, except terminal packages"),
        pytest.param({}, [], id="nothing recorded"),
        pytest.param({"packages": ["numpy"]}, [], id="recorded in another way"),
        pytest.param({"python": "2.7.18"}, ["Python 2.7.18, here"], id="another Python"),
        pytest.param({"machine": "vax"}, ["machine vax, here"], id="another machine"),
        pytest.param({"packages": {"numpy": "1.0"}}, ["numpy 1.0, here"], id="another numpy"),
        pytest.param({"packages": {"torch": "99.0"}}, ["torch 99.0, here"], id="a package that is not here"),
    ],
)
def test_differences_that_can_change_an_answer_are_reported(environment: dict, says: list[str]) -> None:
    found = differences(environment)
    assert len(found) == len(says)
    assert all(clause.startswith(start) for clause, start in zip(found, says, strict=True))


def test_a_version_from_elsewhere_is_loaded_and_promoted_with_a_warning(
    registry: Registry, source, ana, caplog
) -> None:
    (source / "environment.json").write_text(json.dumps({"packages": {"lightgbm": "0.1"}}))
    registry.register("spread", source, metrics={}, lineage={}, gates=(), actor=ana)
    (warning,) = registry.environment_warnings("spread", "1.0.0")
    assert warning.startswith("1.0.0 was made in another environment: lightgbm 0.1, here ")
    plan = registry.plan_promotion("spread", "1.0.0")
    assert (plan.warnings, plan.allowed) == ((warning,), True)
    registry.load_path("spread", "1.0.0")
    assert warning in caplog.text
