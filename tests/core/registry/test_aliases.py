import pytest

from core.governance.audit_log import AuditLog
from core.registry import AliasNotFoundError, InvalidNameError, Registry, VersionNotFoundError


def test_an_alias_works_wherever_a_version_is_expected(register, registry: Registry, ana) -> None:
    register(), register()
    registry.set_alias("spread", "@champion", "1.1.0", actor=ana)
    assert registry.get("spread", "@champion").version == "1.1.0"
    assert registry.plan_promotion("spread", "@champion").version == "1.1.0"
    copy, own = registry.load_path("spread", "@champion"), registry.load_path("spread", "1.1.0")
    assert (copy, copy.is_dir()) == (own, True)
    assert registry.verify("spread", "@champion")[0].ok
    assert registry.diff("spread", "1.0.0", "@champion").b == "1.1.0"
    assert registry.aliases("spread") == {"champion": "1.1.0"}


def test_an_alias_moves_and_the_log_says_from_where(register, registry: Registry, workspace, ana) -> None:
    register(), register()
    registry.set_alias("spread", "champion", "1.0.0", actor=ana)
    registry.set_alias("spread", "champion", "1.1.0", actor=ana, reason="it won")
    registry.set_alias("spread", "fallback", "@champion", actor=ana)
    assert registry.aliases("spread") == {"champion": "1.1.0", "fallback": "1.1.0"}
    first, moved, _ = AuditLog(workspace).tail(3)
    assert (first.verb, first.before) == ("alias.set", None)
    assert (moved.before, moved.after, moved.reason) == ({"version": "1.0.0"}, {"version": "1.1.0"}, "it won")


def test_moving_an_alias_does_not_make_a_plan_stale(register, registry: Registry, ana) -> None:
    register()
    plan = registry.plan_promotion("spread", "1.0.0")
    registry.set_alias("spread", "champion", "1.0.0", actor=ana)
    assert registry.apply(plan, actor=ana)[0].stage == "Staging"


def test_an_alias_that_was_removed_is_gone(register, registry: Registry, ana) -> None:
    register()
    registry.set_alias("spread", "champion", "1.0.0", actor=ana)
    registry.remove_alias("spread", "@champion", actor=ana)
    with pytest.raises(AliasNotFoundError, match="none yet; `bondx registry alias spread @champion VERSION`"):
        registry.get("spread", "@champion")
    with pytest.raises(AliasNotFoundError):
        registry.remove_alias("spread", "@champion", actor=ana)


@pytest.mark.parametrize("alias", ["", "@", "1.0.0", "Champion", "a b", "a/b", "@" + "a" * 65])
def test_an_alias_is_a_plain_word(register, registry: Registry, ana, alias: str) -> None:
    register()
    with pytest.raises(InvalidNameError, match="is not a valid alias"):
        registry.set_alias("spread", alias, "1.0.0", actor=ana)


@pytest.mark.parametrize("alias", ["production", "@staging", "archived", "stable", "candidate"])
def test_an_alias_cannot_be_one_of_servings_own_labels(register, registry: Registry, ana, alias) -> None:
    register()
    with pytest.raises(InvalidNameError, match="serving's own labels: archived, candidate"):
        registry.set_alias("spread", alias, "1.0.0", actor=ana)
    assert registry.aliases("spread") == {}


def test_an_alias_points_at_a_version_that_exists(register, registry: Registry, ana) -> None:
    register()
    with pytest.raises(VersionNotFoundError):
        registry.set_alias("spread", "champion", "9.9.9", actor=ana)
    assert registry.aliases("spread") == {}
