"""Four eyes: what counts as a second pair, and what an approval is bound to."""

import pytest

from core.actor import Actor, Origin
from core.errors import RefusedError
from core.governance.audit_log import AuditLog
from core.quality.gate import GateVerdict
from core.registry import ApprovalNotFoundError, PromotionRefusedError, Registry, Stage
from core.settings.promotion import PromotionSettings

CLEO = Actor("cleo", "desk", Origin.CONSOLE)


@pytest.fixture
def registry(workspace) -> Registry:
    return Registry(workspace, promotion=PromotionSettings(required_approvals=1))


@pytest.fixture
def staged(register, registry: Registry, ana) -> Registry:
    """A version in Staging that one other person must approve."""
    register()
    registry.apply(registry.plan_promotion("spread", "1.0.0"), actor=ana)
    return registry


def promote(registry: Registry, actor: Actor) -> Stage:
    plan = registry.plan_promotion("spread", "1.0.0", actor=actor)
    return registry.apply(plan, actor=actor)[0].stage


def gate(registry: Registry, actor: Actor | None = None):
    gates = registry.plan_promotion("spread", "1.0.0", actor=actor).gates
    return next(gate for gate in gates if gate.name == "approvals")


def test_without_an_approval_nothing_goes_live_and_the_gate_names_the_command(staged, ana) -> None:
    asks = "another person must run: bondx registry approve spread 1.0.0"
    assert gate(staged).reason == f"nobody has approved 1.0.0; {asks}"
    with pytest.raises(PromotionRefusedError, match="nobody has approved"):
        promote(staged, ana)


def test_staging_needs_no_approval(register, registry, ana) -> None:
    register()
    assert gate(registry).verdict is GateVerdict.WARN


def test_another_persons_approval_lets_it_through(staged, ana, ben) -> None:
    staged.approve("spread", "1.0.0", actor=ben, reason="checked the slices")
    assert gate(staged, ana).reason == "approved by ben"
    assert promote(staged, ana) is Stage.PRODUCTION


def test_nobody_approves_their_own_promotion_even_from_another_host(staged) -> None:
    staged.approve("spread", "1.0.0", actor=Actor("cleo", "server", Origin.COMMAND_LINE))
    assert "cleo cannot approve their own promotion" in gate(staged, CLEO).reason
    plan = staged.plan_promotion("spread", "1.0.0")  # whoever makes it does not say who will apply it
    assert plan.allowed
    with pytest.raises(PromotionRefusedError, match="cleo cannot approve their own promotion"):
        staged.apply(plan, actor=CLEO)


def test_nobody_approves_a_version_they_registered(staged, ana, ben) -> None:
    staged.approve("spread", "1.0.0", actor=ana)
    assert "ana cannot approve a version they registered" in gate(staged, ben).reason
    with pytest.raises(PromotionRefusedError, match="ana cannot approve a version they registered"):
        promote(staged, ben)


BY_ANA = {"via": "a token", "behind": ("ana",)}
BY_ROOT = {"via": "a token", "behind": ("root",)}


@pytest.mark.parametrize(
    ("approving", "promoting", "says"),
    [
        pytest.param([("ben", BY_ANA)], ("cleo", {}), "ana may be behind both it and the registration", id="author"),
        pytest.param([("ben", BY_ROOT)], ("root", {}), "root may be behind both it and the promotion", id="maker"),
        pytest.param([("root", {})], ("ben", BY_ROOT), "root cannot approve their own promotion", id="maker first"),
        pytest.param([("ben", BY_ROOT)], ("cleo", BY_ROOT), "root may be behind both it and", id="one maker of both"),
        pytest.param([("Ben", {})], ("ben", {}), "Ben cannot approve their own promotion", id="capitals"),
    ],
)
def test_tokens_and_claimed_names_are_not_a_second_person(staged, approving, promoting, says) -> None:
    for name, more in approving:
        staged.approve("spread", "1.0.0", actor=Actor(name, "desk", Origin.API, **more))
    promoter = Actor(promoting[0], "desk", Origin.API, **promoting[1])
    assert says in gate(staged, promoter).reason
    with pytest.raises(PromotionRefusedError, match="nobody has approved"):
        promote(staged, promoter)


def test_two_approvals_that_one_person_may_have_given_count_once(workspace, staged) -> None:
    strict = Registry(workspace, promotion=PromotionSettings(required_approvals=2))
    for name, maker in (("ben", "root"), ("dora", "root"), ("eva", "admin")):
        actor = Actor(name, "desk", Origin.API, via="a token", behind=(maker,))
        strict.approve("spread", "1.0.0", actor=actor)
        lacking = strict.lacking_approvals("spread", "1.0.0", actor=CLEO)
        assert (lacking is None) == (name == "eva"), lacking


def test_an_approval_from_the_own_account_replaces_one_by_a_token_someone_else_created(staged, ana) -> None:
    staged.approve("spread", "1.0.0", actor=Actor("ben", "desk", Origin.API, **BY_ANA))
    staged.approve("spread", "1.0.0", actor=Actor("ben", "desk", Origin.COMMAND_LINE))
    with pytest.raises(RefusedError, match="ben already approved"):
        staged.approve("spread", "1.0.0", actor=Actor("ben", "desk", Origin.API, **BY_ANA))
    assert promote(staged, ana) is Stage.PRODUCTION


def test_an_approval_withdrawn_after_the_plan_no_longer_counts(staged, ana, ben) -> None:
    staged.approve("spread", "1.0.0", actor=ben)
    plan = staged.plan_promotion("spread", "1.0.0", actor=ana)
    staged.withdraw_approval("spread", "1.0.0", actor=ben, reason="look again")
    with pytest.raises(PromotionRefusedError):
        staged.apply(plan, actor=ana)
    with pytest.raises(ApprovalNotFoundError, match=r"ben has no approval of spread 1\.0\.0"):
        staged.withdraw_approval("spread", "1.0.0", actor=ben)


def test_an_approval_counts_for_one_promotion(staged, ana, ben) -> None:
    staged.approve("spread", "1.0.0", actor=ben)
    promote(staged, ana)
    staged.apply(staged.plan_undo("spread"), actor=ana)
    assert staged.approvals("spread", "1.0.0") == []
    with pytest.raises(PromotionRefusedError):
        promote(staged, ana)
    staged.approve("spread", "1.0.0", actor=ben)
    assert promote(staged, ana) is Stage.PRODUCTION


def test_an_approval_counts_only_for_its_own_files(staged, workspace, ana, ben) -> None:
    staged.approve("spread", "1.0.0", actor=ben)
    versions = workspace.database("registry").documents("versions", type(staged.get("spread", "1.0.0")), "key")
    version = versions.get("spread/1.0.0")
    versions.replace(type(version)(**{**as_fields(version), "manifest_sha256": "0" * 64}))
    assert staged.approvals("spread", "1.0.0") == []


def as_fields(version) -> dict:
    return {name: getattr(version, name) for name in version.__struct_fields__}


@pytest.mark.parametrize(
    ("actor", "says"),
    [
        pytest.param(Actor.engine(), "The engine cannot approve", id="the engine"),
        pytest.param(CLEO, "cleo already approved spread 1.0.0", id="twice"),
    ],
)
def test_only_a_person_approves_and_only_once(staged, actor: Actor, says: str) -> None:
    staged.approve("spread", "1.0.0", actor=CLEO)
    with pytest.raises(RefusedError, match=says):
        staged.approve("spread", "1.0.0", actor=actor)
    assert [approval.person for approval in staged.approvals("spread", "1.0.0")] == ["cleo"]


class TestTheApprovalOfALiveVersion:
    def test_signs_its_claim_and_counts_for_no_promotion(self, staged, ana, ben, workspace) -> None:
        staged.approve("spread", "1.0.0", actor=ben)
        promote(staged, ana)
        n_claims = len(staged.claims_of(staged.get("spread", "1.0.0")))
        made = staged.approve("spread", "1.0.0", actor=CLEO, reason="the server demands it")
        assert made.used_by == 3
        assert AuditLog(workspace).tail(1)[0].after["used_by"] == 3
        assert len(staged.claims_of(staged.get("spread", "1.0.0"))) == n_claims + 1
        assert staged.approvals("spread", "1.0.0") == []
        staged.approve("spread", "1.0.0", actor=CLEO, reason="the key is another one")

    @pytest.mark.parametrize("name", ["Ana", "ben"])
    def test_is_not_of_who_registered_or_promoted_it_where_others_are_asked_for(self, staged, ben, name) -> None:
        staged.approve("spread", "1.0.0", actor=CLEO)
        promote(staged, ben)
        with pytest.raises(RefusedError, match=r"required_approvals asks for others: let another person approve it"):
            staged.approve("spread", "1.0.0", actor=Actor(name, "elsewhere", Origin.COMMAND_LINE))

    def test_is_of_anybody_where_nobody_else_is_asked_for(self, register, workspace, ana) -> None:
        registry = Registry(workspace, promotion=PromotionSettings())
        register()
        for _ in range(2):
            registry.apply(registry.plan_promotion("spread", "1.0.0"), actor=ana)
        assert registry.approve("spread", "1.0.0", actor=ana).used_by == 3


def test_approvals_and_their_use_are_in_the_audit_log_with_the_files(staged, workspace, ana, ben) -> None:
    staged.approve("spread", "1.0.0", actor=ben, reason="checked")
    promote(staged, ana)
    approved, promoted, used = AuditLog(workspace).tail(3)
    assert (approved.verb, approved.object, approved.reason) == ("version.approve", "spread/1.0.0", "checked")
    assert approved.evidence[0].sha256 == staged.get("spread", "1.0.0").manifest_sha256
    assert (promoted.verb, used.verb, used.object) == ("version.promote", "approval.use", "spread/1.0.0/ben")
