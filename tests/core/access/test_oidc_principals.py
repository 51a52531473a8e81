"""Subjects and groups of an OIDC provider as principals: kept apart from accounts and groups of this machine."""

import pytest

from core.access import AccessRefusedError, AccessRules, Principal, PrincipalKind, Role, can_ever, decide, principal_of
from core.access.listing import own_access
from core.access.principal import is_oidc_name
from core.access.verbs import VERBS
from core.actor import Actor
from core.clock import utc_now
from core.errors import RefusedError, UsageError
from core.governance import AuditLog, require_access
from core.serving.access import Tokens
from tests.core.access.conftest import acting

AUTH0 = "auth0|5f7c8ec7c33c6c004bbafe82"


def subject(name: str, *groups: str) -> Actor:
    return Actor.of_oidc(name, frozenset(groups), "192.0.2.7")


@pytest.mark.parametrize(
    "text",
    [
        f"oidc:{AUTH0}",
        "oidc:https://login.example/users/7?x=1#y",
        "oidc:248289761001",
        "oidc:CN=Ana,OU=Desk:FX",
        f"oidc:{'a' * 255}",
        "oidc-group:Domain Users",
        "oidc-group:/desk/quants",
        "oidc-group:東京",
    ],
)
def test_a_real_subject_or_group_can_be_named(text):
    assert str(Principal.named(text)) == text


@pytest.mark.parametrize("name", ["", " ", "ana ", " ana", "a\nb", "a\u202eb", "a\u200bb", "a\u3164", "a" * 256])
@pytest.mark.parametrize("kind", ["oidc", "oidc-group"])
def test_a_name_that_would_be_shown_as_another_one_is_refused(kind, name):
    assert not is_oidc_name(name)
    with pytest.raises(UsageError, match="visible characters"):
        Principal.named(f"{kind}:{name}")


@pytest.mark.parametrize("text", ["user:auth0|5f7c", "group:a/b", "OIDC:ana", "oidcgroup:a", "engine:engine"])
def test_other_principals_take_no_such_names(text):
    with pytest.raises(UsageError, match="oidc:SUBJECT or oidc-group:NAME"):
        Principal.named(text)


def test_without_grants_a_subject_may_do_nothing(workspace, owner):
    require_access(workspace, owner, "version.prune")
    for verb in ("workspace.view", "session.start", "version.prune", "document.repair"):
        with pytest.raises(AccessRefusedError, match="oidc:ana has no role"):
            require_access(workspace, subject("ana"), verb)
    for kind in (PrincipalKind.OIDC, PrincipalKind.OIDC_GROUP):
        may = [verb for verb in VERBS if can_ever(AccessRules(), Principal(kind, "x"), verb, now=utc_now())]
        assert {str(VERBS[verb]) for verb in may} == {"anyone"}


def test_a_subject_or_a_group_that_is_named_like_the_owner_or_an_account_is_neither(governed, give, owner):
    others = [subject(owner.name), subject("operator"), subject("x", owner.name, "operator", "daemon")]
    give("group:daemon", "admin")
    for verb in ("document.repair", "access.break_glass", "session.start"):
        for actor in others:
            with pytest.raises(AccessRefusedError, match="has no role"):
                require_access(governed, actor, verb)
    named = {kind: Principal(kind, owner.name) for kind in PrincipalKind}
    rules = AccessRules(owner=owner.name, groups=lambda _: frozenset())
    ungoverned = [kind for kind in named if decide(rules, named[kind], "document.repair", now=utc_now()).is_allowed]
    assert ungoverned == [PrincipalKind.USER, PrincipalKind.GROUP, PrincipalKind.ENGINE]


def test_a_group_of_the_machine_that_is_named_like_the_owner_repairs_nothing(governed, grants, owner):
    rules = grants.door.rules()
    assert decide(rules, Principal(PrincipalKind.USER, owner.name), "document.repair", now=utc_now()).is_allowed
    assert not decide(rules, Principal(PrincipalKind.GROUP, owner.name), "document.repair", now=utc_now()).is_allowed


def test_an_account_and_a_token_have_nothing_of_a_subject_of_their_name(governed, give):
    give("oidc:ben", "admin")
    give("oidc-group:daemon", "admin")
    with pytest.raises(AccessRefusedError, match="user:ben has no role"):
        require_access(governed, acting("ben"), "session.start")
    with pytest.raises(AccessRefusedError, match="user:daemon has no role"):
        require_access(governed, acting("daemon"), "session.start")


def test_a_subject_has_its_own_grants_and_those_of_the_groups_of_its_token(governed, give):
    give(f"oidc:{AUTH0}", "approver")
    give("oidc-group:Domain Users", "operator", models=["desk_*"])
    alone, member = subject(AUTH0), subject(AUTH0, "Domain Users", "others")
    require_access(governed, alone, "version.approve")
    with pytest.raises(AccessRefusedError):
        require_access(governed, alone, "version.promote", model="desk_fx")
    require_access(governed, member, "version.promote", model="desk_fx")
    with pytest.raises(AccessRefusedError, match="by oidc-group:Domain Users"):
        require_access(governed, member, "version.promote", model="spread")
    require_access(governed, subject("ben", "Domain Users"), "version.promote", model="desk_fx")
    with pytest.raises(AccessRefusedError):
        require_access(governed, subject("ben", "domain users"), "version.promote", model="desk_fx")


def test_a_refusal_is_recorded_with_the_subject(governed):
    with pytest.raises(AccessRefusedError):
        require_access(governed, subject(AUTH0), "backup.create")
    record = AuditLog(governed).tail(1)[0]
    assert record.actor == f"oidc:{AUTH0}@192.0.2.7"
    assert record.after == {"verb": "backup.create", "by": f"oidc:{AUTH0}"}


def test_a_subject_that_is_an_admin_is_not_the_last_one(governed, give, grants):
    give("oidc:ana", "admin")
    accounts = [grant.grant_id for grant in grants.active() if grant.role == Role.ADMIN and grant.kind == "user"]
    with pytest.raises(RefusedError, match="Nobody would be left"):
        grants.revoke(accounts, actor=subject("ana"))


def test_a_first_grant_to_a_subject_makes_the_owner_an_admin_too(grants, give, owner):
    give("oidc:ana", "admin")
    assert [str(grant.principal) for grant in grants.all()] == ["oidc:ana", f"user:{owner.name}"]


def test_a_subject_gives_no_more_than_it_has_and_owns_the_tokens_that_it_makes(governed, give):
    give("oidc:ana", "admin")
    token, _ = Tokens(governed).create("robot", Role.ADMIN, actor=subject("ana"))
    assert (token.person, token.makers) == ("oidc:ana", ("oidc:ana",))
    assert principal_of(token.actor("192.0.2.7")) == Principal(PrincipalKind.TOKEN, token.token_id)
    with pytest.raises(AccessRefusedError):
        Tokens(governed).create("other", Role.VIEWER, actor=subject("ben"))


def test_a_name_that_a_subject_claims_lends_no_rights(governed, give, owner):
    give("oidc:ana", "viewer")
    assert str(principal_of(subject("ana").in_the_name_of(owner.name))) == "oidc:ana"


def test_one_sees_the_roles_of_ones_groups(governed, give, grants):
    give("oidc-group:quants", "operator")
    own = own_access(grants.door.rules(), principal_of(subject("ana", "quants")), utc_now())
    assert [(right.principal, right.role) for right in own.rights] == [("oidc-group:quants", "operator")]
    assert "session.start" in own.may
    assert "version.prune" not in own.may


def test_grants_to_subjects_are_made_listed_checked_and_taken_back_in_the_shell(workspace, capsys):
    from console.cli.main import main

    root = ["--workspace", str(workspace.root), "access"]
    assert main([*root, "grant", f"oidc:{AUTH0}", "viewer"]) == 0
    assert main([*root, "grant", "oidc-group:Domain Users", "operator"]) == 0
    assert main([*root, "who"]) == 0
    shown = capsys.readouterr().out
    assert f"oidc:{AUTH0}" in shown
    assert "oidc-group:Domain Users" in shown
    assert main([*root, "check", "workspace.view", "--as", f"oidc:{AUTH0}"]) == 0
    assert main([*root, "check", "session.start", "--as", f"oidc:{AUTH0}"]) == 3
    assert main([*root, "check", "session.start", "--as", "oidc-group:Domain Users"]) == 0
    assert main([*root, "check", "workspace.view", "--as", "oidc:nobody"]) == 3
    assert main([*root, "revoke", f"oidc:{AUTH0}"]) == 0
    assert main([*root, "check", "workspace.view", "--as", f"oidc:{AUTH0}"]) == 3
    assert main([*root, "grant", "oidc:", "viewer"]) == 2
