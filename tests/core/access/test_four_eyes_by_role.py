"""Four eyes by role: whoever operates does not approve, and whoever may do both does not approve their own change."""

import pytest

from core.access import AccessRefusedError
from core.quality.gate import judge
from core.registry import PromotionRefusedError, Registry, Stage
from core.settings.promotion import PromotionSettings
from tests.core.access.conftest import acting

ANA, BEN, CARA = map(acting, ("ana", "ben", "cara"))


@pytest.fixture
def registry(workspace, give, tmp_path):
    """A version of ana, an operator, in Staging; ben approves, and cara may do both."""
    for name, role in (("ana", "operator"), ("ben", "approver"), ("cara", "operator"), ("cara", "approver")):
        give(name, role)
    found = Registry(workspace, promotion=PromotionSettings(min_accuracy=0.0, required_approvals=1))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.txt").write_text("1")
    gates = (judge("coverage", 99.0, ">=", 90.0, unit="%"),)
    found.register("spread", tmp_path / "model", metrics={"attainment": 0.9}, lineage={}, gates=gates, actor=ANA)
    found.apply(found.plan_promotion("spread", "1.0.0", actor=ANA), actor=ANA)
    return found


def promote(registry, actor):
    return registry.apply(registry.plan_promotion("spread", "1.0.0", Stage.PRODUCTION, actor=actor), actor=actor)


def test_an_operator_promotes_what_an_approver_has_approved(registry):
    registry.approve("spread", "1.0.0", actor=BEN)
    (version, *_) = promote(registry, ANA)
    assert version.stage is Stage.PRODUCTION


def test_an_operator_does_not_approve_and_an_approver_does_not_promote(registry):
    with pytest.raises(AccessRefusedError, match="ana may not do"):
        registry.approve("spread", "1.0.0", actor=ANA)
    registry.approve("spread", "1.0.0", actor=BEN)
    with pytest.raises(AccessRefusedError, match="ben may not do"):
        promote(registry, BEN)


def test_who_may_do_both_does_not_approve_their_own_promotion(registry):
    registry.approve("spread", "1.0.0", actor=CARA)
    with pytest.raises(PromotionRefusedError, match="cara cannot approve their own promotion"):
        promote(registry, CARA)
    (version, *_) = promote(registry, ANA)
    assert version.stage is Stage.PRODUCTION


def test_an_approver_of_one_model_approves_no_other(registry, workspace, give):
    give("dora", "approver", models=["desk_*"])
    with pytest.raises(AccessRefusedError, match=r"the role approver of desk_\*"):
        registry.approve("spread", "1.0.0", actor=acting("dora"))
