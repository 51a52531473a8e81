"""The door: what nobody's role allows is not done, is told in one sentence, and is in the audit log."""

import os
import threading
from datetime import timedelta

import msgspec
import pytest

from core.access import AccessRefusedError, AccessRules, Principal, PrincipalKind, Role
from core.access.documents import STAGES
from core.actor import Actor, Origin
from core.errors import ExitCode, NotFoundError, RefusedError, UsageError
from core.governance import AuditLog, audited, require_access
from core.governance.audit import _refusals
from core.registry import Stage
from core.serving.access import Tokens
from core.state import StateError
from tests.core.access.conftest import acting
from tests.waiting import PATIENCE_SECONDS


class Note(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    revision: int = 0


@pytest.fixture(autouse=True)
def nothing_recorded_before(monkeypatch):
    monkeypatch.setattr(_refusals, "_recorded", {})


def change(workspace, actor, verb="session.start", name="n", **limits):
    """Write a note, as a change of some verb."""
    with audited(workspace, "sessions", actor=actor) as changing:
        changing.db.documents("notes", Note, key="name").insert(Note(name=name))
        changing.record(verb, name, **limits)


def notes(workspace):
    return [note.name for note in workspace.database("sessions").documents("notes", Note, key="name").all()]


def newest(workspace):
    return AuditLog(workspace).tail(1)[0]


class TestAReplica:
    @pytest.fixture(autouse=True)
    def follows(self, workspace):
        workspace.settings_file.write_text("serving: {follow: {url: 'http://desk:8501'}}\n")

    @pytest.mark.parametrize(
        "verb",
        ["version.promote", "version.rollback", "rollout.abort", "session.start", "retraining.approve"],
    )
    def test_leaves_changes_to_its_desk(self, workspace, verb):
        with pytest.raises(AccessRefusedError) as refusal:
            change(workspace, acting("ana"), verb)
        assert str(refusal.value) == (
            f"ana may not do {verb} (n): this workspace is a replica of http://desk:8501, and changes are made there."
        )
        assert notes(workspace) == []
        assert newest(workspace).verb == "access.refuse"

    @pytest.mark.parametrize("verb", ["token.create", "alert.acknowledge", "backup.create", "state.restore"])
    def test_keeps_what_is_its_own(self, workspace, verb):
        change(workspace, acting("ana"), verb)
        assert notes(workspace) == ["n"]

    def test_changes_by_what_it_follows(self, workspace):
        change(workspace, Actor.engine(), "replica.follow")
        assert notes(workspace) == ["n"]

    def test_gives_tokens_of_any_role(self, workspace, owner):
        token, _ = Tokens(workspace).create("robot", Role.OPERATOR, actor=owner)
        assert token.role is Role.OPERATOR

    def test_is_one_however_its_settings_are_laid_out(self, workspace):
        workspace.settings_file.write_text("serving: {follow: {url: 'http://desk:8501', serve_on_hours: null\n}}\n")
        with pytest.raises(AccessRefusedError):
            change(workspace, acting("ana"), "version.promote")

    @pytest.mark.parametrize("text", ["{}\n", "serving:\n  follow: null  # {url: 'http://desk:8501'}\n"])
    def test_is_a_workspace_of_its_own_once_it_follows_nobody(self, workspace, text):
        with pytest.raises(AccessRefusedError):
            change(workspace, acting("ana"), "version.promote")
        workspace.settings_file.write_text(text)
        change(workspace, acting("ana"), "version.promote")
        assert notes(workspace) == ["n"]


class TestAWorkspaceWithoutGrants:
    def test_works_for_every_account_that_can_enter_it(self, workspace):
        change(workspace, acting("ana"))
        assert notes(workspace) == ["n"]

    @pytest.mark.parametrize(("role", "may"), [(Role.VIEWER, False), (Role.OPERATOR, True), (Role.ADMIN, True)])
    def test_judges_tokens_by_their_role(self, workspace, owner, role, may):
        token, _ = Tokens(workspace).create("robot", role, actor=owner)
        if may:
            change(workspace, token.actor("192.0.2.7"))
        else:
            with pytest.raises(AccessRefusedError):
                change(workspace, token.actor("192.0.2.7"))

    def test_lets_a_token_of_an_operator_approve_and_one_with_grants_does_not(self, workspace, owner, give):
        robot = Tokens(workspace).create("robot", Role.OPERATOR, actor=owner)[0].actor("192.0.2.7")
        require_access(workspace, robot, "version.approve")
        give("ana", "viewer")
        with pytest.raises(AccessRefusedError, match="this takes the role approver or admin"):
            require_access(workspace, robot, "version.approve")


class TestTheFirstGrant:
    def test_makes_the_owner_of_the_folder_an_admin(self, grants, give, owner):
        give("ana", "viewer")
        assert [(grant.name, grant.role) for grant in grants.all()] == [("ana", "viewer"), (owner.name, "admin")]

    def test_of_an_admin_makes_nobody_else_one(self, grants, give):
        give("ana", "admin")
        assert [grant.name for grant in grants.all()] == ["ana"]

    def test_shuts_everybody_else_out(self, workspace, give):
        give("ana", "viewer")
        with pytest.raises(AccessRefusedError, match=r"ben may not do session.start \(n\): user:ben has no role"):
            change(workspace, acting("ben"))


class TestARefusal:
    def test_changes_nothing_and_is_in_the_audit_log(self, governed):
        with pytest.raises(AccessRefusedError) as refused:
            change(governed, acting("viewer"))
        assert refused.value.exit_code is ExitCode.REFUSED
        assert notes(governed) == []
        record = newest(governed)
        assert (record.verb, record.object, record.actor) == ("access.refuse", "n", "viewer@desk")
        assert record.after == {"verb": "session.start", "by": "user:viewer"}
        assert record.reason == str(refused.value)
        assert AuditLog(governed).verify().ok

    def test_before_the_work_is_in_the_audit_log_too(self, governed):
        with pytest.raises(AccessRefusedError):
            require_access(governed, acting("viewer"), "backup.create")
        assert newest(governed).after == {"verb": "backup.create", "by": "user:viewer"}

    def test_inside_a_transaction_is_recorded_once_it_has_ended(self, governed):
        def start_and_prune():
            with audited(governed, "sessions", actor=acting("operator")) as outer:
                outer.record("session.start", "n")
                require_access(governed, acting("operator"), "version.prune")

        with pytest.raises(AccessRefusedError):
            start_and_prune()
        assert newest(governed).after == {"verb": "version.prune", "by": "user:operator"}

    def test_of_the_same_again_is_counted_in_the_next_record(self, governed, monkeypatch):
        for _ in range(3):
            with pytest.raises(AccessRefusedError):
                require_access(governed, acting("viewer"), "backup.create")
        assert [record.verb for record in AuditLog(governed).tail(2)] == ["access.grant", "access.refuse"]
        monkeypatch.setattr(_refusals, "AGAIN_SECONDS", 0.0)
        with pytest.raises(AccessRefusedError):
            require_access(governed, acting("viewer"), "backup.create")
        assert newest(governed).after["n_before"] == 2

    def test_stands_if_it_cannot_be_recorded(self, governed, monkeypatch):
        def full(*_args, **_kwargs):
            raise OSError("no space left on device")

        monkeypatch.setattr("core.governance.outbox.AuditedChange.post", full)
        with pytest.raises(AccessRefusedError):
            require_access(governed, acting("viewer"), "backup.create")

    def test_of_grants_that_cannot_be_read_is_everybodys(self, governed, owner):
        governed.state_file("access").write_text("{")
        for name in (owner.name, "admin", "operator"):
            with pytest.raises(StateError):
                change(governed, acting(name))
        require_access(governed, owner, "state.restore")  # the way out
        with pytest.raises(StateError):
            require_access(governed, acting("ben"), "state.restore")


class TestAName:
    def test_that_is_only_claimed_has_the_rights_of_the_account_behind_it(self, governed):
        with pytest.raises(AccessRefusedError, match="user:viewer has the role viewer"):
            change(governed, acting("viewer").in_the_name_of("admin"))
        with pytest.raises(AccessRefusedError, match="user:viewer"):
            change(governed, acting("viewer").in_the_name_of("operator").in_the_name_of("admin"))
        change(governed, acting("operator").in_the_name_of("viewer"))

    def test_of_a_person_lends_no_rights_to_the_token_of_that_person(self, governed, owner):
        token, _ = Tokens(governed).create("robot", Role.VIEWER, actor=owner, person="admin")
        with pytest.raises(AccessRefusedError, match="token:t-0001 has the role viewer"):
            change(governed, token.actor("192.0.2.7"))

    def test_without_a_token_may_only_look(self, workspace):
        nobody = Actor("anonymous", "192.0.2.7", Origin.API)
        require_access(workspace, nobody, "workspace.view")
        with pytest.raises(AccessRefusedError):
            change(workspace, nobody)


class TestLimits:
    @pytest.mark.parametrize(
        ("model", "stage", "may"),
        [
            pytest.param("desk_fx", "Staging", True, id="within both limits"),
            pytest.param("desk_fx", "Production", False, id="in another stage"),
            pytest.param("spread", "Staging", False, id="of another model"),
            pytest.param(None, "Staging", False, id="of no known model"),
            pytest.param("desk_fx", None, False, id="in no known stage"),
        ],
    )
    def test_of_models_and_stages_hold(self, workspace, give, model, stage, may):
        give("ana", "operator", models=["desk_*"], stages=["Development", "Staging"])
        if may:
            change(workspace, acting("ana"), "version.promote", f"{model}/1.0.0", stage=stage)
        else:
            about = f"{model}/1.0.0" if model else "n"
            with pytest.raises(AccessRefusedError, match=r"the role operator of desk_\* in Development and Staging"):
                change(workspace, acting("ana"), "version.promote" if model else "session.start", about, stage=stage)

    def test_of_time_end(self, workspace, grants, give, clock):
        give("ana", "operator", valid=timedelta(hours=8))
        require_access(workspace, acting("ana"), "session.start", clock=clock)
        clock.pass_by(8 * 3600)
        with pytest.raises(AccessRefusedError):
            require_access(workspace, acting("ana"), "session.start", clock=clock)

    def test_name_stages_of_the_registry(self):
        assert set(STAGES) == {str(stage) for stage in Stage}

    @pytest.mark.parametrize(
        "limits", [{"models": ["Spread!"]}, {"stages": ["Nowhere"]}, {"models": [""]}, {"valid": timedelta(0)}]
    )
    def test_that_can_hold_for_nothing_are_refused(self, give, limits):
        with pytest.raises(UsageError):
            give("ana", "operator", **limits)


def test_a_group_gives_its_role_to_its_accounts(workspace, grants, give):
    give("group:quants", "operator")
    rules = grants.door.rules()
    in_group = AccessRules(
        grants=rules.grants, groups=lambda account: frozenset({"quants"} if account == "ana" else ())
    )
    now = grants.all()[0].granted_at
    assert [str(grant.principal) for grant in in_group.grants_of(Principal(PrincipalKind.USER, "ana"), now)] == [
        "group:quants"
    ]
    assert in_group.grants_of(Principal(PrincipalKind.USER, "ben"), now) == []
    # A token of that name is in no group, and a group is not the account of its name.
    assert in_group.grants_of(Principal(PrincipalKind.TOKEN, "ana"), now) == []
    assert in_group.grants_of(Principal(PrincipalKind.USER, "quants"), now) == []


def test_the_groups_of_an_account_are_those_of_the_operating_system():
    import grp

    from core.access.principal import account_of, groups_of

    own = account_of(os.getuid())
    assert grp.getgrgid(os.getgid()).gr_name in groups_of(own)
    assert groups_of("no-such-account") == frozenset()


class TestRevoking:
    def test_ends_a_role_at_once(self, governed, grants, owner):
        change(governed, acting("operator"))
        grants.revoke(["user:operator"], actor=owner)
        with pytest.raises(AccessRefusedError):
            change(governed, acting("operator"), name="again")

    def test_the_last_admin_is_refused_however_it_is_named(self, grants, give, owner):
        give("ana", "viewer")
        for names in (["g-0002"], [owner.name], ["g-0001", "g-0002"]):
            with pytest.raises(RefusedError, match="Nobody would be left"):
                grants.revoke(names, actor=owner)
        assert len(grants.active()) == 2

    @pytest.mark.parametrize(
        ("name", "limits"),
        [
            pytest.param("ben", {"models": ["spread"]}, id="of one model"),
            pytest.param("ben", {"valid": timedelta(days=1)}, id="for a day"),
            pytest.param("group:quants", {}, id="of a group that may be empty"),
        ],
    )
    def test_an_admin_beside_whom_there_is_only_half_a_one_is_refused(self, grants, give, owner, name, limits):
        give(owner.name, "admin")
        give(name, "admin", **limits)
        with pytest.raises(RefusedError, match="Nobody would be left"):
            grants.revoke([owner.name], actor=owner)

    def test_waits_for_the_changes_that_were_allowed_before(self, governed, grants, owner):
        """No change is committed that was judged by a grant whose revocation had been acknowledged."""
        is_judged, may_commit, order = threading.Event(), threading.Event(), []

        def operate():
            with audited(governed, "sessions", actor=acting("operator")) as changing:
                changing.db.documents("notes", Note, key="name").insert(Note(name="late"))
                changing.record("session.start", "late")
                is_judged.set()
                assert may_commit.wait(PATIENCE_SECONDS)
                order.append("committing")

        def revoke():
            grants.revoke(["operator"], actor=owner)
            order.append("revoked")

        threads = [threading.Thread(target=operate), threading.Thread(target=revoke)]
        threads[0].start()
        assert is_judged.wait(PATIENCE_SECONDS)
        threads[1].start()
        may_commit.set()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
        assert order == ["committing", "revoked"]

    def test_what_does_not_exist_is_refused(self, grants, give, owner):
        give("ana", "viewer")
        for name in ("g-0009", "user:ben", "token:t-0001"):
            with pytest.raises(NotFoundError):
                grants.revoke([name], actor=owner)


class TestCustomRoles:
    def test_allow_their_verbs_and_to_look(self, governed, grants, give, owner):
        grants.define_role("trainer", ["session.*", "version.tag"], actor=owner)
        give("ana", "trainer")
        for verb in ("session.start", "session.stop", "version.tag", "workspace.view"):
            require_access(governed, acting("ana"), verb)
        for verb in ("version.promote", "session.prune_reports", "workspace.inspect", "session.tuned"):
            with pytest.raises(AccessRefusedError):
                require_access(governed, acting("ana"), verb)

    def test_reach_what_gives_rights_or_removes_only_by_its_full_name(self, governed, grants, give, owner):
        grants.define_role("everything", ["*"], actor=owner)
        grants.define_role("granter", ["access.grant"], actor=owner)
        give("ana", "everything")
        give("ben", "granter")
        with pytest.raises(AccessRefusedError):
            require_access(governed, acting("ana"), "access.grant")
        require_access(governed, acting("ben"), "access.grant")

    @pytest.mark.parametrize("name", ["admin", "", "Trainer", "a b"])
    def test_need_a_name_of_their_own(self, grants, owner, name):
        with pytest.raises(UsageError):
            grants.define_role(name, ["session.*"], actor=owner)

    @pytest.mark.parametrize("verbs", [[], ["session.invented"], ["rollout.begin"]])
    def test_need_verbs_that_exist_and_that_a_person_may_do(self, grants, owner, verbs):
        with pytest.raises(UsageError):
            grants.define_role("trainer", verbs, actor=owner)

    def test_stay_while_somebody_has_them(self, grants, give, owner):
        grants.define_role("trainer", ["session.*"], actor=owner)
        made = give("ana", "trainer")
        with pytest.raises(RefusedError, match="user:ana has the role trainer"):
            grants.remove_role("trainer", actor=owner)
        grants.revoke([made.grant_id], actor=owner)
        assert grants.remove_role("trainer", actor=owner).name == "trainer"
        with pytest.raises(UsageError, match="There is no role"):
            give("ana", "trainer")


class TestNobodyGivesMoreThanTheyHave:
    @pytest.fixture
    def giver(self, grants, give, owner):
        """Somebody who may give everything away, and has little."""
        giving = ["access.grant", "access.define_role", "token.create", "token.rotate"]
        grants.define_role("giver", [*giving, "session.*"], actor=owner)
        give("ana", "giver")
        return acting("ana")

    def test_by_a_grant(self, grants, giver, owner):
        ben = Principal(PrincipalKind.USER, "ben")
        for role in ("operator", "admin"):
            with pytest.raises(AccessRefusedError, match=r"ana may not do access\.grant \(g-0003\), for it includes"):
                grants.grant(ben, role, actor=giver)
        assert grants.grant(ben, "viewer", actor=giver).role == "viewer"

    def test_by_a_role_of_their_own_that_grows(self, grants, giver):
        with pytest.raises(AccessRefusedError, match=r"it includes version\.promote"):
            grants.define_role("giver", ["session.*", "version.promote"], actor=giver)
        grants.define_role("trainer", ["session.*"], actor=giver)

    def test_by_a_token(self, workspace, giver, owner):
        with pytest.raises(AccessRefusedError, match="for it includes"):
            Tokens(workspace).create("robot", Role.ADMIN, actor=giver)
        assert Tokens(workspace).all() == []
        Tokens(workspace).create("mine", Role.VIEWER, actor=giver)
        Tokens(workspace).create("strong", Role.ADMIN, actor=owner)
        with pytest.raises(AccessRefusedError, match="for it includes"):
            Tokens(workspace).rotate("t-0002", actor=giver)
        Tokens(workspace).rotate("t-0001", actor=giver)

    def test_by_the_token_that_has_more_by_a_grant(self, workspace, giver, owner, give):
        Tokens(workspace).create("mine", Role.VIEWER, actor=owner)
        give("token:t-0001", "operator")
        with pytest.raises(AccessRefusedError, match="for it includes"):
            Tokens(workspace).rotate("t-0001", actor=giver)


class TestBreakingTheGlass:
    def test_makes_the_owner_of_the_folder_an_admin_for_a_time(self, workspace, grants, give, owner, clock):
        give("ana", "admin")
        with pytest.raises(AccessRefusedError):
            require_access(workspace, owner, "version.prune", clock=clock)
        made = grants.break_glass(actor=owner, reason="ana is ill", valid=timedelta(hours=2))
        require_access(workspace, owner, "version.prune", clock=clock)
        assert (newest(workspace).verb, newest(workspace).reason) == ("access.break_glass", "ana is ill")
        clock.pass_by(2 * 3600)
        with pytest.raises(AccessRefusedError):
            require_access(workspace, owner, "version.prune", clock=clock)
        assert made.is_break_glass

    def test_is_refused_to_others_and_without_a_reason(self, governed, grants, owner):
        with pytest.raises(AccessRefusedError):
            grants.break_glass(actor=acting("operator"), reason="I want to")
        with pytest.raises(UsageError):
            grants.break_glass(actor=owner, reason=" ")
        with pytest.raises(UsageError):
            grants.break_glass(actor=owner, reason="for long", valid=timedelta(hours=25))

    def test_has_no_sense_where_nothing_is_forbidden(self, grants, owner):
        with pytest.raises(RefusedError, match="no glass"):
            grants.break_glass(actor=owner, reason="a fire")

    def test_keeps_no_admin_in_the_place_of_the_last(self, grants, give, owner):
        give("ana", "admin")
        grants.break_glass(actor=owner, reason="a fire")
        with pytest.raises(RefusedError, match="Nobody would be left"):
            grants.revoke(["ana"], actor=owner)

    def test_fires_an_alert_until_it_has_ended(self, workspace, grants, give, owner, clock):
        from core.alerts import Alerts
        from core.alerts.broken_glass import BrokenGlass

        give("ana", "admin")
        grants.break_glass(actor=owner, reason="ana is ill")
        watch = BrokenGlass(workspace, clock=clock)
        watch.keep_up()
        (alert,) = Alerts(workspace, clock=clock).open()
        assert alert.rule == "broken_glass"
        assert "ana is ill" in alert.summary
        clock.pass_by(3600)
        watch.keep_up()
        assert Alerts(workspace, clock=clock).open() == []


class TestNothingGivenOutlastsTheRightOfItsGiver:
    @pytest.fixture
    def give_for(self, grants, give):
        """Make an account an admin for some hours; ana and the owner are admins for good."""
        give("eve", "viewer")
        give("ana", "admin")

        def given(name, hours):
            give(name, "admin", valid=timedelta(hours=hours))
            return acting(name)

        return given

    @pytest.fixture
    def ben(self):
        return Principal(PrincipalKind.USER, "ben")

    @pytest.fixture
    def fire(self, workspace, grants, give, owner, clock):
        """Return a token that may break the glass and nothing else."""
        grants.define_role("fire", ["access.break_glass"], actor=owner)
        token, _ = Tokens(workspace, clock=clock).create("pager", Role.VIEWER, actor=owner)
        give("token:t-0001", "fire")
        return token.actor("192.0.2.7")

    def test_by_a_grant(self, workspace, grants, give_for, ben, clock):
        guest = give_for("guest", 8)
        made = grants.grant(ben, "admin", actor=guest)
        assert made.expires_at == clock() + timedelta(hours=8)
        assert newest(workspace).after["rests_on"] == ["g-0004"]
        assert newest(workspace).after["expires_at"]
        with pytest.raises(AccessRefusedError, match=r"guest may not do access\.grant .*\(g-0004\).*shorter"):
            grants.grant(ben, "operator", actor=guest, valid=timedelta(hours=9))
        assert newest(workspace).verb == "access.refuse"
        assert grants.grant(ben, "operator", actor=guest, valid=timedelta(hours=1)).expires_at < made.expires_at
        assert grants.grant(ben, "viewer", actor=acting("ana")).expires_at is None
        clock.pass_by(8 * 3600)
        with pytest.raises(AccessRefusedError):
            require_access(workspace, acting("ben"), "version.prune", clock=clock)

    def test_where_the_latest_end_counts_for_each_verb(self, grants, give, give_for, ben, clock):
        guest = give_for("guest", 1)
        give("guest", "operator", valid=timedelta(hours=5))
        give("guest", "approver", models=["spread"])  # a limited grant gives nothing away
        assert grants.grant(ben, "operator", actor=guest).expires_at == clock() + timedelta(hours=5)
        assert grants.grant(ben, "admin", actor=guest).expires_at == clock() + timedelta(hours=1)
        give("guest", "operator")
        last = grants.grant(Principal(PrincipalKind.USER, "eve"), "operator", actor=guest)
        assert (last.expires_at, last.rests_on) == (None, ())

    def test_by_a_token_nor_by_what_the_token_gives(self, workspace, grants, give_for, ben, clock):
        guest, tokens = give_for("guest", 8), Tokens(workspace, clock=clock)
        token, _ = tokens.create("robot", Role.ADMIN, actor=guest)
        assert token.expires_at == clock() + timedelta(hours=8)
        assert newest(workspace).after["rests_on"] == ["g-0004"]
        with pytest.raises(AccessRefusedError, match=r"token\.create"):
            tokens.create("longer", Role.ADMIN, actor=guest, valid_days=1)
        assert grants.grant(ben, "admin", actor=token.actor("192.0.2.7")).expires_at == token.expires_at

    def test_by_a_rotation(self, workspace, give_for, clock):
        guest, tokens = give_for("guest", 8), Tokens(workspace, clock=clock)
        tokens.create("nightly", Role.ADMIN, actor=acting("ana"))
        for days in (None, 1):
            with pytest.raises(AccessRefusedError, match=r"token\.rotate .*--days"):
                tokens.rotate("t-0001", actor=guest, valid_days=days)
        (kept,) = tokens.all()
        assert (kept.expires_at, kept.rotated_at) == (None, None)
        rotated, _ = tokens.rotate("t-0001", actor=guest, valid_days=0.1)
        assert rotated.rests_on == ("g-0004",)
        assert tokens.rotate("t-0001", actor=acting("ana"), valid_days=90)[0].rests_on == ()

    def test_by_a_token_that_makes_itself_last(self, workspace, give_for, clock):
        give_for("guest", 8)
        tokens = Tokens(workspace, clock=clock)
        token, _ = tokens.create("robot", Role.ADMIN, actor=acting("ana"), valid_days=1)
        with pytest.raises(AccessRefusedError, match=r"token\.rotate"):
            tokens.rotate("t-0001", actor=token.actor("192.0.2.7"), valid_days=2)
        tokens.rotate("t-0001", actor=token.actor("192.0.2.7"))

    def test_by_a_role_that_somebody_has(self, grants, give, give_for, owner):
        guest = give_for("guest", 8)
        grants.define_role("trainer", ["session.*"], actor=owner)
        give("guest", "trainer")
        with pytest.raises(AccessRefusedError, match=r"user:guest has this role: define another one"):
            grants.define_role("trainer", ["session.*", "access.grant"], actor=guest)
        grants.define_role("trainer", ["session.start"], actor=guest)
        grants.define_role("another", ["session.*", "access.grant"], actor=guest)

    def test_by_breaking_the_glass_again(self, grants, give_for, fire, clock):
        guest = give_for("guest", 0.5)
        assert grants.break_glass(actor=guest, reason="a fire").expires_at == clock() + timedelta(hours=0.5)
        with pytest.raises(AccessRefusedError, match=r"access\.break_glass"):
            grants.break_glass(actor=guest, reason="a fire", valid=timedelta(hours=1))
        grants.break_glass(actor=fire, reason="a fire", valid=timedelta(hours=1))
        again = grants.break_glass(actor=fire, reason="it burns on", valid=timedelta(hours=24))  # by its own role
        assert again.rests_on == ()

    def test_and_with_a_broken_glass_ends_what_it_gave(self, workspace, grants, give_for, fire, ben, clock):
        from core.alerts import Alerts
        from core.alerts.broken_glass import BrokenGlass

        give_for("guest", 8)
        tokens = Tokens(workspace, clock=clock)
        glass = grants.break_glass(actor=fire, reason="a fire", valid=timedelta(hours=24))
        token, _ = tokens.create("mine", Role.ADMIN, actor=fire)
        grants.grant(ben, "admin", actor=token.actor("192.0.2.7"))
        assert token.expires_at == glass.expires_at
        revoked = grants.revoke([glass.grant_id], actor=fire)
        assert [str(grant.principal) for grant in revoked] == ["token:t-0001", "user:ben"]
        assert not tokens.all()[1].is_valid(clock())
        assert newest(workspace).verb == "token.end"
        assert AuditLog(workspace).verify().ok
        with pytest.raises(AccessRefusedError):
            require_access(workspace, acting("ben"), "access.grant", clock=clock)
        BrokenGlass(workspace, clock=clock).keep_up()
        assert Alerts(workspace, clock=clock).open() == []

    def test_but_the_owner_of_the_folder_makes_an_admin_for_good(self, grants, give, owner, ben):
        give("ana", "admin")
        grants.break_glass(actor=owner, reason="ana has left")
        assert grants.grant(ben, "admin", actor=owner).expires_at is None


class TestATokensSecret:
    def test_is_replaced_by_a_rotation_and_its_grants_stay(self, governed, owner, give, clock):
        from core.access.documents import digest

        tokens = Tokens(governed, clock=clock)
        _, first = tokens.create("robot", Role.VIEWER, actor=owner)
        give("token:t-0001", "operator", models=["spread"])
        rotated, second = tokens.rotate("t-0001", actor=acting("admin"), overlap=timedelta(hours=1))
        now = clock()
        assert rotated.takes(digest(first), now)
        assert rotated.takes(digest(second), now)
        assert not rotated.takes(digest(first), now + timedelta(hours=1))
        assert set(rotated.makers) >= {"admin"}  # they have seen the secret, and count for four eyes
        require_access(governed, rotated.actor("192.0.2.7"), "version.promote", model="spread", clock=clock)
        with pytest.raises(AccessRefusedError):
            require_access(governed, rotated.actor("192.0.2.7"), "version.promote", model="etrm", clock=clock)

    def test_without_an_overlap_is_good_for_nothing_at_once(self, workspace, owner, clock):
        from core.access.documents import digest

        tokens = Tokens(workspace, clock=clock)
        _, first = tokens.create("robot", Role.VIEWER, actor=owner)
        rotated, _ = tokens.rotate("t-0001", actor=owner)
        assert not rotated.takes(digest(first), clock())

    def test_of_a_revoked_or_expired_token_is_not_replaced(self, workspace, owner, clock):
        tokens = Tokens(workspace, clock=clock)
        tokens.create("robot", Role.VIEWER, actor=owner, valid_days=1)
        clock.pass_by(86400)
        with pytest.raises(RefusedError, match="revoked or expired"):
            tokens.rotate("t-0001", actor=owner)

    def test_of_a_token_that_was_revoked_meanwhile_changes_nothing(self, workspace, owner):
        token, _ = Tokens(workspace).create("robot", Role.ADMIN, actor=owner)
        Tokens(workspace).revoke("t-0001", actor=owner)
        with pytest.raises(AccessRefusedError, match="unknown, expired or revoked"):
            change(workspace, token.actor("192.0.2.7"))


def test_grants_are_made_by_admins_alone(governed, grants):
    for name in ("viewer", "operator", "approver"):
        with pytest.raises(AccessRefusedError):
            grants.grant(Principal(PrincipalKind.USER, name), "admin", actor=acting(name))
    grants.grant(Principal(PrincipalKind.USER, "ben"), "viewer", actor=acting("admin"))


def test_the_same_grant_twice_is_refused(give):
    give("ana", "viewer")
    with pytest.raises(RefusedError, match="already"):
        give("ana", "viewer")


@pytest.mark.parametrize("text", ["", "ana ben", "root:x", "group:", "../x", "user:a/b"])
def test_a_principal_that_is_none_is_refused(text):
    with pytest.raises(UsageError):
        Principal.named(text)


def test_an_edited_grant_is_found(governed):
    file = governed.state_file("access")
    file.write_bytes(file.read_bytes().replace(b'"viewer"', b'"admin"'))
    assert not AuditLog(governed).verify().ok
