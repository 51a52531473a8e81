"""Programs are told what happens in the registry: in order, signed, each event, whatever dies or refuses."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from console.cli.main import main
from core.actor import Actor, Origin
from core.alerts import Alerts
from core.clock import utc_now
from core.engine.context import EngineContext
from core.engine.workers.webhooks import WebhookSender
from core.errors import NotFoundError, UsageError
from core.files import digest
from core.governance import AuditLog
from core.quality.gate import judge
from core.registry import Registry
from core.settings import Settings, SettingsError, load_settings
from core.settings.current import CurrentSettings
from core.settings.promotion import PromotionSettings
from core.settings.webhooks import EVENTS, WebhookSettings
from core.state import Workspace
from core.webhooks import DeliveryState, Webhooks, request
from core.webhooks.queue import GIVE_UP_AFTER, WebhookQueue
from core.webhooks.secret import secret_of
from tests.clocks import HandClock
from tests.core.webhooks.receiver import receiving
from tests.processes import dies
from tests.waiting import PATIENCE_SECONDS

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
SECRET = "a-secret-that-no-list-shows"
VARIABLE = "BONDX_TEST_WEBHOOK_SECRET"
PASSED = (judge("coverage", 99.0, ">=", 90.0, unit="%"),)


@pytest.fixture(autouse=True)
def secret_in_environment(monkeypatch):
    monkeypatch.setenv(VARIABLE, SECRET)


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Let an attempt take as long as it takes: no test here is about one that is given up."""
    monkeypatch.setitem(request.send.__kwdefaults__, "seconds", PATIENCE_SECONDS)


@pytest.fixture
def receiver(clock):
    with receiving(SECRET, clock) as found:
        yield found


@pytest.fixture
def write_settings(workspace, receiver):
    def write(*events, more="", name="ci"):
        listed = ", ".join(events or EVENTS["mlflow"])
        webhook = f"{{name: {name}, url: '{receiver.url}', events: [{listed}], secret_env: {VARIABLE}{more}}}"
        workspace.settings_file.write_text(f"webhooks:\n- {webhook}\n")

    write()
    return write


@pytest.fixture
def sender(workspace, write_settings, clock):
    return sender_of(workspace, clock)


def sender_of(workspace, clock):
    context = EngineContext(
        workspace=workspace,
        settings=Settings(),
        current=CurrentSettings(workspace.root, Settings()),
        telemetry=None,
        alerts=Alerts(workspace),
        trainer=None,
        actor=Actor.engine(),
        clock=clock,
    )
    return WebhookSender(context)


@pytest.fixture
def registry(workspace):
    return Registry(workspace, promotion=PromotionSettings(), clock=HandClock(step=timedelta(seconds=1)))


@pytest.fixture
def register(registry, tmp_path):
    def one_more(model="spread"):
        folder = tmp_path / "trained"
        folder.mkdir(exist_ok=True)
        (folder / "model.txt").write_text(f"tree {len(registry.versions(None))}\n")
        return registry.register(
            model, folder, metrics={"attainment": 0.9}, lineage={"seed": 1}, gates=PASSED, actor=ANA, description="good"
        )

    return one_more


def promote(registry, version):
    while registry.get("spread", version).stage != "Production":
        registry.apply(registry.plan_promotion("spread", version), actor=ANA, reason="better")


def test_a_receiver_of_mlflow_is_told_of_models_versions_tags_aliases_and_stages(sender, registry, register, receiver):
    sender.step()
    version = register().version
    registry.set_tags("spread", version, {"desk": "rates"}, actor=ANA)
    registry.set_alias("spread", "champion", version, actor=ANA, reason="best")
    registry.set_tags("spread", version, {"desk": ""}, actor=ANA)
    registry.remove_alias("spread", "champion", actor=ANA, reason="over")
    promote(registry, version)
    sender.step()

    assert receiver.n_forged == 0
    model_created, version_created, tag, alias, untagged, unaliased, *moves = receiver.bodies
    assert model_created["entity"] == "registered_model"
    assert model_created["action"] == "created"
    assert model_created["data"] == {"name": "spread", "tags": {}, "description": None}
    assert version_created["entity"] == "model_version"
    assert version_created["data"] == {
        "name": "spread",
        "version": version,
        "source": f"models:/spread/{version}",
        "run_id": None,
        "tags": {},
        "description": "good",
    }
    assert tag["data"] == {"name": "spread", "version": version, "key": "desk", "value": "rates"}
    assert alias["data"] == {"name": "spread", "alias": "champion", "version": version}
    assert untagged["data"] == {"name": "spread", "version": version, "key": "desk"}
    assert unaliased["data"] == {"name": "spread", "alias": "champion"}
    assert [move["data"].get("value") for move in moves] == ["Staging", "Production", None]
    assert moves[-1]["data"] == {"name": "spread", "alias": "production", "version": version}
    assert receiver.events()[2:6] == [
        "model_version_tag.set",
        "model_version_alias.created",
        "model_version_tag.deleted",
        "model_version_alias.deleted",
    ]


def test_a_second_version_is_no_new_model_and_a_rollback_moves_the_alias_back(sender, registry, register, receiver):
    first = register().version
    sender.step()  # it begins with what comes now
    second = register().version
    promote(registry, first)
    promote(registry, second)
    registry.apply(registry.plan_rollback("spread"), actor=ANA, reason="worse")
    sender.step()

    assert "registered_model.created" not in receiver.events()
    live = [body["data"]["version"] for body in receiver.bodies if body["data"].get("alias") == "production"]
    assert live == [first, second, first]


def test_only_the_wanted_events_are_sent(sender, write_settings, register, receiver):
    write_settings("model_version.created")
    sender.step()
    register()
    sender.step()

    assert receiver.events() == ["model_version.created"]


def test_a_receiver_that_fails_is_told_later_with_the_same_id_and_in_order(sender, register, receiver, clock):
    receiver.answers = [(503, {}), (429, {"retry-after": "90"})]
    sender.step()
    register()
    sender.step()
    assert receiver.bodies == []
    sender.step()  # not due yet
    assert len(receiver.delivery_ids) == 1
    clock.pass_by(1)
    sender.step()
    clock.pass_by(89)
    sender.step()
    assert len(receiver.delivery_ids) == 2  # Retry-After asked for more
    clock.pass_by(1)
    sender.step()

    assert receiver.events() == ["registered_model.created", "model_version.created"]
    assert len(set(receiver.delivery_ids[:3])) == 1


def test_an_event_does_not_wait_for_a_year_after_the_clock_was_set_back(sender, register, receiver, clock):
    receiver.answers = [(503, {"retry-after": "3600"})]
    sender.step()
    register()
    sender.step()
    assert receiver.bodies == []
    clock.pass_by(-365 * 86_400)
    sender.step()
    assert receiver.events() == ["registered_model.created", "model_version.created"]


def test_a_refused_event_is_given_up_and_the_next_one_sent(sender, register, receiver, workspace):
    receiver.answers = [(400, {})]
    sender.step()
    register()
    sender.step()

    assert receiver.events() == ["model_version.created"]
    [webhook] = Webhooks(workspace).all()
    assert (webhook.n_delivered, webhook.n_failed, webhook.problem) == (1, 1, "HTTP 400")


def test_what_was_told_stays_as_a_hash_alone_and_what_waits_is_shown_without_its_body(
    sender, registry, register, receiver, workspace, called, clock
):
    sender.step()
    version = register().version
    sender.step()
    n_told = len(receiver.payloads)
    registry.set_tags("spread", version, {"owner": "ana.private@bank.example"}, actor=ANA)
    receiver.answers = [(500, {})]
    sender.step()
    file = workspace.state_dir / "webhooks.json"
    assert "ana.private" in file.read_text()  # it is to be sent again
    assert "ana.private" not in called(main, "webhooks", "deliveries", "--json", "--workspace", workspace.root)[1]
    clock.pass_by(60)
    sender.step()
    assert "ana.private" in receiver.payloads[-1]

    told = Webhooks(workspace).deliveries()
    assert {each.state for each in told} == {DeliveryState.DELIVERED}
    assert [each.body_sha256 for each in reversed(told)] == [
        digest(payload.encode()) for payload in [*receiver.payloads[:n_told], receiver.payloads[-1]]
    ]
    assert told[0].n_body_bytes == len(receiver.payloads[-1].encode())
    assert "ana.private" not in file.read_text()
    assert all(not each.body for each in WebhookQueue(workspace).deliveries.all())


def test_bodies_that_an_earlier_release_kept_go_with_the_next_event(sender, register, receiver, workspace):
    sender.step()
    register()
    sender.step()
    queue = WebhookQueue(workspace)
    kept = queue.deliveries.all()
    with workspace.database("webhooks").transaction():
        for each in kept:
            queue.deliveries.replace(replace(each, body="whole", body_sha256="", n_body_bytes=0))
    register()
    sender.step()
    found = {each.delivery_id: each for each in WebhookQueue(workspace).deliveries.all()}
    assert {(found[each.delivery_id].body, found[each.delivery_id].body_sha256) for each in kept} == {
        ("", digest(b"whole"))
    }


def test_an_event_is_given_up_after_three_days(sender, register, receiver, workspace, clock):
    sender.step()
    register()
    receiver.answers = [(500, {})] * 2
    sender.step()
    clock.pass_by(GIVE_UP_AFTER.total_seconds() + 1)
    sender.step()

    [event] = Webhooks(workspace).deliveries(state=DeliveryState.FAILED)
    assert (event.event, event.n_attempts, event.problem) == ("registered_model.created", 2, "HTTP 500")


def test_a_redirection_is_not_followed(sender, register, receiver, workspace):
    receiver.answers = [(307, {"location": "http://127.0.0.1:1/elsewhere"})]
    sender.step()
    register()
    sender.step()

    assert "redirection" in Webhooks(workspace).deliveries("ci", state=DeliveryState.FAILED)[0].problem


def test_an_event_is_never_sent_unsigned(sender, register, receiver, workspace, monkeypatch):
    sender.step()
    register()
    monkeypatch.delenv(VARIABLE)
    sender.step()

    assert receiver.delivery_ids == []
    assert receiver.n_forged == 0
    assert VARIABLE in Webhooks(workspace).all()[0].problem


def test_a_disabled_webhook_is_told_nothing_even_later(sender, write_settings, register, receiver, workspace):
    sender.step()
    write_settings(more=", status: DISABLED")
    sender.step()
    register()
    sender.step()
    write_settings()
    sender.step()
    register()
    sender.step()

    assert receiver.events() == ["model_version.created"]


def test_events_of_a_webhook_that_left_the_settings_are_given_up(sender, register, receiver, workspace, write_settings):
    receiver.answers = [(500, {})]
    sender.step()
    register()
    sender.step()
    write_settings(name="other")
    sender.step()

    assert {each.state for each in Webhooks(workspace).deliveries("ci")} == {DeliveryState.FAILED}


def test_a_workspace_without_webhooks_gets_no_file(workspace, clock):
    sender_of(workspace, clock).step()

    assert not workspace.state_file("webhooks").exists()


@pytest.mark.crash
def test_an_engine_that_is_killed_anywhere_forgets_no_event_and_invents_none(
    workspace, write_settings, register, receiver, clock
):
    root = workspace.root
    sender_of(workspace, clock).step()
    register()

    def work():
        sender_of(Workspace.open(root), clock).step()

    n = 1
    while dies(n, work):
        n += 1
    assert n > 3, "the work changed nothing on the disk"

    told = [f"{body['entity']}.{body['action']}" for body in receiver.bodies]
    assert set(told) == {"registered_model.created", "model_version.created"}
    assert len(set(receiver.delivery_ids)) == 2
    assert {each.state for each in Webhooks(workspace).deliveries()} == {DeliveryState.DELIVERED}
    assert AuditLog(workspace).verify().ok


def test_a_change_that_waits_for_the_audit_log_is_told_once_it_is_in_it(sender, register, receiver, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    sender.step()
    with monkeypatch.context() as broken:
        broken.setattr("core.governance.journal.Journal.append", full)
        register()
        with pytest.raises(OSError, match="No space"):
            sender.step()
    assert receiver.bodies == []
    sender.step()

    assert receiver.events() == ["registered_model.created", "model_version.created"]


def test_a_test_reaches_the_receiver_and_leaves_nothing_behind(workspace, write_settings, receiver, called):
    receiver.clock = utc_now  # a command has no other
    code, out, _ = called(main, "--workspace", workspace.root, "webhooks", "test", "ci")
    assert (code, out) == (0, "ci took registered_model.created: HTTP 200\n")
    code, out, _ = called(
        main, "--workspace", workspace.root, "webhooks", "test", "ci", "--event", "model_version_tag.set"
    )
    assert code == 0
    assert receiver.bodies[1]["data"]["key"] == "example_key"
    receiver.answers = [(500, {})]
    code, _, err = called(main, "--workspace", workspace.root, "webhooks", "test", "ci")
    assert (code, err) == (1, "bondx: ci did not take registered_model.created: HTTP 500.\n")
    assert Webhooks(workspace).deliveries() == []


def test_lists_show_how_webhooks_fare_and_no_secret(workspace, sender, register, receiver, called):
    receiver.answers = [(500, {})]
    sender.step()
    register()
    sender.step()

    code, out, _ = called(main, "--workspace", workspace.root, "webhooks", "list")
    assert code == 1
    assert "HTTP 500" in out
    code, out, _ = called(main, "--workspace", workspace.root, "webhooks", "deliveries", "ci", "--state", "pending")
    assert code == 0
    assert "spread/" in out
    for verb in (["list", "--json"], ["deliveries", "--json"]):
        _, out, _ = called(main, "--workspace", workspace.root, "webhooks", *verb)
        assert SECRET not in out
    assert SECRET not in workspace.state_file("webhooks").read_text()
    code, _, err = called(main, "--workspace", workspace.root, "webhooks", "deliveries", "nope")
    assert code == 2
    assert "Webhooks: ci" in err


def test_unknown_names_are_refused_with_the_choices(workspace, write_settings):
    with pytest.raises(NotFoundError, match="Webhooks: ci"):
        Webhooks(workspace).test("other", actor=ANA)
    with pytest.raises(UsageError, match=r"model_version\.created"):
        Webhooks(workspace).test("ci", "model.deleted", actor=ANA)


def test_a_secret_comes_from_a_file_that_no_other_account_reads(tmp_path):
    file = tmp_path / "ci.secret"
    file.write_text(f"{SECRET}\n")
    webhook = WebhookSettings(name="ci", url="http://localhost/", secret_file="ci.secret")
    file.chmod(0o640)
    with pytest.raises(UsageError, match="chmod 600"):
        secret_of(webhook, tmp_path)
    file.chmod(0o600)
    assert secret_of(webhook, tmp_path) == SECRET
    file.write_text("")
    with pytest.raises(UsageError, match="is empty"):
        secret_of(webhook, tmp_path)
    file.unlink()
    with pytest.raises(UsageError, match="No such file"):
        secret_of(webhook, tmp_path)
    assert secret_of(WebhookSettings(name="ci", url="http://localhost/"), tmp_path) == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{name: ci, url: 'ftp://x/'}", "whole URL"),
        ("{name: ci, url: 'https://'}", "whole URL"),
        ("{name: ci, url: 'http://me:pw@host/'}", "must not hold a user"),
        ("{name: ci, url: 'http://host/', events: [model.created]}", "model.created"),
        ("{name: ci, url: 'http://host/', secret: abc}", "secret"),
        ("{name: ci, url: 'http://host/', secret_env: 'a b'}", "environment variable"),
        ("{name: ci, url: 'http://host/', secret_env: A, secret_file: b}", "exclude each other"),
        ("{name: ci, url: 'http://host/'}\n- {name: ci, url: 'http://host/'}", "two webhooks"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path, text, says):
    file = tmp_path / "bondx.yaml"
    file.write_text(f"webhooks:\n- {text}\n")

    with pytest.raises(SettingsError, match=says):
        load_settings(file)


def test_a_query_of_a_url_is_in_no_list(tmp_path):
    webhook = WebhookSettings(name="ci", url="https://host/hook?key=abc")

    assert webhook.place == "https://host/hook?…"


def test_the_queue_keeps_ended_deliveries_within_limits(sender, register, receiver, workspace, monkeypatch):
    monkeypatch.setattr("core.webhooks.queue.MOST_ENDED", 3)
    sender.step()
    for _ in range(4):
        register()
    sender.step()

    assert len(receiver.bodies) == 5
    assert len(WebhookQueue(workspace).deliveries.all()) == 3


def failing(workspace):
    return [alert.summary for alert in Alerts(workspace).open() if alert.rule == "webhook_failed"]


def test_a_webhook_that_fails_again_and_again_is_an_alert_until_it_is_told(
    sender, workspace, register, receiver, clock
):
    sender.step()
    receiver.answers = [(503, {})] * 4
    register()
    for n in range(1, 5):
        sender.step()
        assert bool(failing(workspace)) is (n >= 3)
        clock.pass_by(600)
    assert "HTTP 503" in failing(workspace)[0]
    assert "webhook ci" in failing(workspace)[0]
    sender.step()
    assert receiver.bodies
    assert failing(workspace) == []


def test_a_webhook_that_gave_an_event_up_is_an_alert_until_it_is_told_another(sender, workspace, register, receiver):
    sender.step()
    receiver.answers = [(400, {})] * 2
    register()
    sender.step()
    assert "given up" in failing(workspace)[0]
    register()
    sender.step()
    assert failing(workspace) == []


def test_the_alert_on_a_webhook_that_is_gone_ends(sender, workspace, register, receiver):
    sender.step()
    receiver.answers = [(400, {})] * 9
    register()
    sender.step()
    assert failing(workspace)
    workspace.settings_file.write_text("{}\n")
    sender.step()
    assert failing(workspace) == []
