"""Who may open a console on the workspace of another account, and when that ends."""

from datetime import timedelta

import pytest

from core.access import Principal
from core.access.peers import HIDDEN
from core.access.principal import account_of
from core.actor import Actor, Origin
from core.errors import RefusedError
from core.governance import AuditLog, attached_consoles
from core.governance.attached_consoles import ConsoleAdmission
from core.governance.grants import Grants
from core.state.errors import StateError

OTHER = "nobody"
ADMIN = Actor.current(Origin.COMMAND_LINE)


def records(workspace):
    return [(record.verb, record.actor.partition("@")[0]) for record in AuditLog(workspace).tail(20)]


def test_without_grants_the_owner_alone_enters(workspace):
    ConsoleAdmission(workspace, account_of(workspace.root.stat().st_uid)).enter()
    with pytest.raises(RefusedError, match=r"nobody has no role here.*bondx access grant user:nobody operator"):
        ConsoleAdmission(workspace, OTHER).enter()
    assert records(workspace)[-2:] == [("console.attach", ADMIN.name), ("access.refuse", OTHER)]


@pytest.mark.parametrize("role", ["operator", "approver", "admin"])
def test_who_may_look_at_everything_enters_and_is_recorded(workspace, role):
    Grants(workspace).grant(Principal.named(OTHER), role, actor=ADMIN)
    ConsoleAdmission(workspace, OTHER).enter()
    assert records(workspace)[-1] == ("console.attach", OTHER)


@pytest.mark.parametrize(
    ("role", "limits"), [("viewer", {}), ("operator", {"models": ["spread"]}), ("admin", {"stages": ["Staging"]})]
)
def test_who_may_look_at_a_part_alone_does_not_enter(workspace, role, limits):
    Grants(workspace).grant(Principal.named(OTHER), role, actor=ADMIN, **limits)
    with pytest.raises(RefusedError, match="A console shows the whole workspace"):
        ConsoleAdmission(workspace, OTHER).enter()
    assert records(workspace)[-1] == ("access.refuse", OTHER)


def test_a_role_of_this_verb_alone_lets_its_holder_look(workspace):
    grants = Grants(workspace)
    grants.define_role("watcher", ["console.attach"], actor=ADMIN)
    grants.grant(Principal.named(OTHER), "watcher", actor=ADMIN)
    ConsoleAdmission(workspace, OTHER).enter()


def test_the_right_ends_with_its_grant(workspace, clock):
    grants = Grants(workspace, clock=clock)
    admission = ConsoleAdmission(workspace, OTHER, clock=clock)
    grants.grant(Principal.named(OTHER), "operator", actor=ADMIN, valid=timedelta(hours=1))
    assert admission.refusal() is None
    clock.pass_by(7_200)
    assert "nobody may have no console here: user:nobody has no role" in (admission.refusal() or "")


def test_an_account_that_the_kernel_does_not_name_never_enters(workspace):
    with pytest.raises(RefusedError, match="does not say whose console this is"):
        ConsoleAdmission(workspace, HIDDEN).enter()


def test_a_log_that_cannot_be_written_keeps_nobody_from_looking(workspace, monkeypatch, caplog):
    def fails(*_args, **_options):
        raise StateError("the disk is full")

    monkeypatch.setattr(attached_consoles, "audited", fails)
    ConsoleAdmission(workspace, ADMIN.name).enter()
    assert "could not be recorded: the disk is full" in caplog.text
    with pytest.raises(RefusedError, match="nobody has no role"):
        ConsoleAdmission(workspace, OTHER).enter()
