"""A replica has what its control plane has: each byte checked, through cuts, and alone for as long as it may."""

import hashlib
import json
from contextlib import closing
from datetime import timedelta
from types import SimpleNamespace

import httpx
import msgspec
import numpy as np
import pytest

from console.cli.main import main
from core.clock import in_words, utc_now
from core.domains.bonds.data import PanelSettings, generate
from core.domains.catalogue import load_model
from core.governance import AuditLog
from core.governance.model_keys import ModelKeys
from core.metrics.replication_metrics import ReplicationMetrics
from core.registry import Registry, Stage
from core.registry.manifest import check
from core.replication import NotReplicaError, contacts
from core.replication.contacts import KEPT, ReplicaPhase, host_headers, note_contact, replica_contacts
from core.replication.download import VersionDownload
from core.replication.errors import UntrustedVersionError
from core.replication.follower import Follower
from core.replication.outbox import ReplicaOutbox, batches_in
from core.replication.standing import ReplicaStanding, read_standing, silence_of, standing_file, store_standing
from core.rollout import Rollouts
from core.rollout.routing import routing_tables
from core.rollout.strategies import Strategy
from core.serving.access import Role, Tokens
from core.settings import Settings
from core.settings.following import FollowSettings
from core.settings.promotion import PromotionSettings
from core.state import Workspace
from core.telemetry.live import LiveReader
from core.telemetry.predictions import OutcomeRecord, PredictionReader
from tests.waiting import until


class Line(httpx.HTTPTransport):
    """The way to the control plane: cut after some requests, or one that changes what it carries."""

    def __init__(self) -> None:
        super().__init__()
        self.left: int | None = None
        self.change = lambda request, content: content
        self.asked: list[str] = []

    def handle_request(self, request):
        if self.left == 0:
            raise httpx.ConnectError("cut")
        self.left = None if self.left is None else self.left - 1
        self.asked.append(f"{request.url.raw_path.decode()} {request.headers.get('range', '')}".strip())
        answer = super().handle_request(request)
        content = answer.read()
        headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        return httpx.Response(answer.status_code, headers=headers, content=self.change(request, content))


@pytest.fixture
def control(workspace, staged, running, ana):
    """The server of a workspace with spread 1.0.0 live and 1.1.0 in Staging, and a token for it."""
    _, token = Tokens(workspace).create("replica", Role.OPERATOR, actor=ana)
    with running(workspace) as server:
        yield server, token


@pytest.fixture
def replica(tmp_path):
    return Workspace.create(tmp_path / "replica", settings_text="{}\n")


@pytest.fixture
def follower(control, replica):
    server, token = control
    line, now, all_made = Line(), [utc_now()], []

    def make(**more):
        settings = FollowSettings(url=f"http://127.0.0.1:{server.port}", token_env="TOKEN", **more)
        made = Follower(replica, settings, environ={"TOKEN": token}, transport=line, clock=lambda: now[0])
        made.line, made.now = line, now
        all_made.append(made)
        return made

    yield make
    for made in all_made:
        made.stop()


def verbs(replica):
    return [entry.verb for entry in AuditLog(replica).tail(50)]


def test_a_replica_takes_models_versions_aliases_and_tokens_and_asks_again_for_what_changes_alone(
    follower, control, workspace, replica, artifacts, ana
):
    Registry(workspace).set_alias("spread", "challenger", "1.1.0", actor=ana)
    found = follower()
    assert found.follow_once()
    own, mirrored = Registry(workspace), Registry(replica)
    assert mirrored.models() == own.models()
    assert mirrored.versions("spread") == own.versions("spread")
    assert mirrored.aliases("spread") == {"challenger": "1.1.0"}
    for version in mirrored.versions("spread"):
        assert check(replica.artifacts_dir / version.path, version.manifest_sha256) == []
    (token,) = Tokens(replica).all()
    assert (token.token_id, token.role) == ("c-0001", Role.VIEWER)

    n_asked = len(found.line.asked)
    assert found.follow_once()
    assert len(found.line.asked) == n_asked + 1
    assert verbs(replica).count("replica.follow") == 1

    own = Registry(workspace, promotion=PromotionSettings(min_accuracy=0.0))
    own.apply(own.plan_promotion("spread", "1.1.0"), actor=ana)
    assert found.follow_once()
    assert len(found.line.asked) == n_asked + 2, "no file is asked for again"
    Tokens(workspace).revoke("t-0001", actor=ana)
    assert not found.follow_once(), "its own token is revoked"
    assert Registry(replica).production("spread").version == "1.1.0"


def test_a_replica_answers_as_its_control_plane(follower, control, workspace, replica, running, rows_of):
    follower().follow_once()
    rows = {"instances": rows_of("spread", 5)}
    expected = control[0].ask("/v1/models/spread:predict", rows).json
    with running(replica) as server:
        assert server.ask("/v1/models/spread:predict", rows).json == expected
        server.token = control[1]
        assert server.ask("/api/v1/status").status == 200
        assert server.ask("/api/v1/models/spread/aliases/x", {"version": "1.0.0"}, method="PUT").status == 403


def test_a_promotion_and_a_rollback_reach_the_replica_and_what_is_archived_takes_no_room(
    follower, workspace, replica, ana
):
    found, own = follower(), Registry(workspace, promotion=PromotionSettings(min_accuracy=0.0))
    assert found.follow_once()
    own.apply(own.plan_promotion("spread", "1.1.0"), actor=ana)
    assert found.follow_once()
    assert Registry(replica).production("spread").version == "1.1.0"
    own.apply(own.plan_rollback("spread"), actor=ana)
    assert found.follow_once()
    assert Registry(replica).production("spread").version == "1.0.0"
    assert [version.version for version in Registry(replica).versions("spread")] == ["1.0.0"]
    assert not (replica.artifacts_dir / "spread" / "1.1.0").exists()
    assert AuditLog(replica).verify().ok


def test_a_rollout_routes_on_a_replica_as_on_the_control_plane(follower, rolling, workspace, replica):
    rolling(Strategy.CANARY, 0.1)
    assert follower().follow_once()
    assert routing_tables(replica) == routing_tables(workspace)
    assert routing_tables(replica)["spread"].candidate == "1.1.0"
    assert [rollout.rollout_id for rollout in Rollouts(replica).in_brief()]


def test_a_look_of_the_engine_at_a_rollout_is_no_change_for_replicas(follower, rolling, workspace, replica):
    rollouts, rollout_id = Rollouts(workspace), rolling(Strategy.CANARY, 0.1).rollout_id
    found = follower()
    assert found.follow_once()
    assert found.follow_once()

    def observe(**more):
        before = rollouts.get(rollout_id)
        rollouts.save(before, msgspec.structs.replace(before.observed, **more))

    n_asked, n_records = len(found.line.asked), verbs(replica).count("replica.follow")
    for n in range(3):
        observe(n_before_step=(n, n), last_answer_at=utc_now())
        assert found.follow_once()
        assert phases(workspace, utc_now()) == [("replica", ReplicaPhase.CURRENT)]
    assert len(found.line.asked) == n_asked + 3
    assert verbs(replica).count("replica.follow") == n_records
    observe(share=0.5)
    assert found.follow_once()
    assert routing_tables(replica) == routing_tables(workspace)
    assert routing_tables(replica)["spread"].share == 0.5
    assert verbs(replica).count("replica.follow") == n_records + 1


def test_a_change_of_tokens_alone_is_followed_without_a_record_of_what_is_served(follower, workspace, replica, ana):
    found = follower()
    assert found.follow_once()
    Tokens(workspace).create("reader", Role.VIEWER, actor=ana)
    assert found.follow_once()
    assert {token.token_id for token in Tokens(replica).all()} == {"c-0001", "c-0002"}
    assert verbs(replica).count("replica.follow") == 1


def test_a_download_that_is_cut_goes_on_where_it_was(follower, replica, monkeypatch):
    monkeypatch.setattr("core.replication.download.FILE_BYTES", 2_000)
    found = follower()
    found.line.left = 6
    assert not found.follow_once()
    assert Registry(replica).models() == []
    first = set(found.line.asked[1:])
    found.line.left, found.line.asked = None, []
    assert follower().follow_once()  # after a restart
    assert first.isdisjoint(found.line.asked)
    for version in Registry(replica).versions("spread"):
        assert check(replica.artifacts_dir / version.path, version.manifest_sha256) == []
    assert list((replica.root / "replica" / "incoming").iterdir()) == []


def test_a_changed_byte_is_refused_and_the_model_stays_as_it_was(follower, workspace, replica, ana, caplog):
    found, own = follower(), Registry(workspace, promotion=PromotionSettings(min_accuracy=0.0))

    def changed(request, content):
        is_new = "/1.1.0/files" in str(request.url) and "MANIFEST" not in str(request.url)
        return bytes([content[0] ^ 1]) + content[1:] if is_new else content

    found.line.change = changed
    assert not found.follow_once()
    assert [version.version for version in Registry(replica).versions("spread")] == ["1.0.0"]
    assert "is not the registered file: its SHA-256 differs" in caplog.text
    own.apply(own.plan_promotion("spread", "1.1.0"), actor=ana)
    assert not found.follow_once()
    assert Registry(replica).production("spread").version == "1.0.0"
    assert "spread stays as it was" in caplog.text
    found.line.change = lambda request, content: content
    assert found.follow_once()
    assert Registry(replica).production("spread").version == "1.1.0"


def test_only_versions_that_the_named_key_has_signed_are_taken(follower, workspace, replica, tmp_path, ana, caplog):
    other = Workspace.create(tmp_path / "other", settings_text="{}\n")
    (tmp_path / "other.pub").write_text(ModelKeys(other.keys_dir).public_key())
    assert not follower(public_key=str(tmp_path / "other.pub")).follow_once()
    assert Registry(replica).versions() == []
    assert "not signed by the key of serving.follow.public_key" in caplog.text
    assert follower(public_key=str(workspace.keys_dir / "model-signing.pub")).follow_once()
    assert Registry(replica).production("spread").version == "1.0.0"

    # What is here already is held to the key of today, too: the one before may have leaked.
    Registry(workspace).set_alias("spread", "challenger", "1.1.0", actor=ana)
    caplog.clear()
    assert not follower(public_key=str(tmp_path / "other.pub")).follow_once()
    assert "not signed by the key of serving.follow.public_key" in caplog.text


def test_a_replica_serves_on_alone_for_as_long_as_it_may_and_again_when_it_is_answered(follower, replica, caplog):
    found = follower(serve_on_hours=2)
    assert found.follow_once()
    found.line.left = 0
    for hours in (1, 2):
        found.now[0] += timedelta(hours=1)
        assert not found.follow_once(), hours
    assert Registry(replica).production("spread").version == "1.0.0"
    found.now[0] += timedelta(minutes=1)
    assert not found.follow_once()
    assert Registry(replica).versions() == []
    assert "has not answered for longer than serving.follow.serve_on_hours (2)" in caplog.text
    n_records = len(verbs(replica))
    assert not follower(serve_on_hours=2).follow_once()  # after a restart it says nothing twice
    assert len(verbs(replica)) == n_records
    found.line.left = None
    n_asked = len(found.line.asked)
    assert found.follow_once()
    assert Registry(replica).production("spread").version == "1.0.0"
    assert len(found.line.asked) == n_asked + 1, "the files are still here"


def test_a_replica_whose_desk_changes_nothing_does_not_call_itself_cut_off(follower, replica):
    found = follower(serve_on_hours=0.1)
    assert found.follow_once()
    for _ in range(40):  # more than three minutes, in which no two contacts are a minute apart
        found.now[0] += timedelta(seconds=5)
        assert found.follow_once()
        assert silence_of(read_standing(standing_file(replica.root)), found._settings, found.now[0]) is None
    found.line.left = 0
    found.now[0] += timedelta(seconds=3)
    assert not follower(serve_on_hours=0.1).follow_once()  # after a restart
    assert Registry(replica).production("spread").version == "1.0.0"


def test_without_a_limit_a_replica_serves_on_for_ever(follower, replica):
    found = follower(serve_on_hours=None)
    assert found.follow_once()
    found.line.left = 0
    found.now[0] += timedelta(days=400)
    assert not found.follow_once()
    assert Registry(replica).production("spread").version == "1.0.0"
    assert not read_standing(replica.root / "replica" / "standing.json").is_withdrawn


def test_a_workspace_with_models_of_its_own_follows_nobody(follower, workspace):
    with pytest.raises(NotReplicaError, match="has models of its own, which serving"):
        Follower(workspace, FollowSettings(url="http://127.0.0.1:1"))


def test_a_state_whose_versions_lie_elsewhere_is_refused(follower, replica):
    found = follower()

    def changed(request, content):
        return content.replace(b'"path":"spread/1.0.0"', b'"path":"../keys/1.0"')

    found.line.change = changed
    with pytest.raises(Exception, match="which is not its own"):
        found.follow_once()
    assert Registry(replica).models() == []


@pytest.mark.parametrize("name", ["../../keys/audit.key", "/etc/passwd", "a//b", "x\u202e"])
def test_a_file_whose_name_leads_elsewhere_is_refused(name, replica, tmp_path):
    content = json.dumps({"files": {name: {"sha256": "0" * 64, "size": 1}}}).encode()
    sha256 = hashlib.sha256(content).hexdigest()
    http = SimpleNamespace(ask=lambda *_, **__: SimpleNamespace(content=content))
    found = VersionDownload(replica, tmp_path / "parts", http, public_key="", is_stopping=lambda: False)
    with pytest.raises(UntrustedVersionError, match="which no version has"):
        found.bring(SimpleNamespace(model="spread", version="1.0.0", manifest_sha256=sha256, key="spread/1.0.0"))
    assert {path.name for path in (tmp_path / "parts").rglob("*") if path.is_file()} == {"MANIFEST.json"}


def test_parts_of_files_are_asked_for_within_them(control):
    server, token = control
    server.token = token
    path = "/api/v1/models/spread/versions/1.0.0/files"
    whole = server.ask(path)
    manifest = whole.json
    assert whole.status == 200
    name, entry = next(iter(manifest["files"].items()))
    file = server.ask(f"{path}?name={name}")
    assert (len(file.body), file.headers["etag"]) == (entry["size"], f'"{entry["sha256"]}"')
    part = server.ask(f"{path}?name={name}", headers={"range": "bytes=3-9"})
    assert (part.status, part.body) == (206, file.body[3:10])
    assert part.headers["content-range"] == f"bytes 3-9/{entry['size']}"
    for wrong in ("bytes=9-3", "bytes=-5", f"bytes={entry['size']}-{entry['size']}", "lines=1-2"):
        assert server.ask(f"{path}?name={name}", headers={"range": wrong}).status == 400
    assert server.ask(f"{path}?name=nothing").status == 404
    server.token = None
    assert server.ask(path).status == 401


def test_the_settings_name_what_is_wrong(replica, tmp_path):
    open_to_all = tmp_path / "token"
    open_to_all.write_text("bondx_x")
    open_to_all.chmod(0o644)
    for more, says in (
        ({"token_env": "NOT_SET_HERE"}, "NOT_SET_HERE, which is not set"),
        ({"token_file": str(open_to_all)}, "close it with chmod 600"),
        ({"token_file": str(tmp_path / "gone")}, "cannot be read: No such file"),
        ({"public_key": str(open_to_all)}, "is no public key in PEM"),
    ):
        with pytest.raises(NotReplicaError, match=says):
            Follower(replica, FollowSettings(url="http://127.0.0.1:1", **more), environ={})


def test_the_answers_of_both_models_are_those_of_the_same_files(follower, workspace, replica, artifacts):
    follower().follow_once()
    table = generate(PanelSettings(n_rows=50, seed=3)).bonds
    first, second = (load_model(Registry(each).load_path("spread", "1.1.0")) for each in (workspace, replica))
    np.testing.assert_array_equal(first.predict(table), second.predict(table))
    assert Registry(replica).get("spread", "1.1.0").stage is Stage.STAGING


def test_predictions_outcomes_and_counts_of_a_replica_come_to_the_control_plane(
    follower, control, workspace, replica, running, rows_of
):
    server, token = control
    found = follower()
    assert found.follow_once()
    follow = {"url": f"http://127.0.0.1:{server.port}", "token_file": str(replica.root / "t"), "every_seconds": 0.2}
    (replica.root / "t").write_text(token)
    (replica.root / "t").chmod(0o600)
    replica.settings_file.write_text(json.dumps({"serving": {"follow": follow}}) + "\n")
    with running(replica) as serving:
        serving.token = token
        for n, row in enumerate(rows_of("spread", 5)):
            answer = serving.ask("/api/v1/predict/spread", {"row": row}, headers={"x-request-id": f"r{n}"})
            assert answer.status == 200, answer.json
        report = {"outcomes": [{"request_id": f"r{n}", "actual": 100.0} for n in range(3)]}
        assert serving.ask("/api/v1/outcomes", report).json["n_matched"] == 3
        with closing(PredictionReader(workspace.predictions_file)) as reader:
            until(lambda: reader.reported(["r0", "r1", "r2", "r3"]) == {"r0", "r1", "r2"}, "the outcomes have come")
            until(lambda: all(reader.holds(f"r{n}") for n in range(5)), "the predictions have come")
            assert reader.n_outcomes("spread", "1.0.0") == 3
    # What the server wrote at its end is sent by whoever follows next.
    assert found.follow_once()
    assert batches_in(replica.root / "replica" / "outbox") == []
    with closing(LiveReader(workspace.live_file)) as live:
        until(lambda: [each.version for each in live.versions()] == ["1.0.0"], "the counts have come")


def test_a_batch_that_is_sent_again_counts_once_and_what_is_of_no_version_not_at_all(control, workspace):
    server, server.token = control[0], control[1]
    at = "2026-11-30T12:00:00Z"
    sent = {"at": at, "model": "spread", "latency_ms": 1.0, "value": 1.0, "kind": "number"}
    predictions = [
        {**sent, "request_id": "a", "version": "1.0.0"},
        {**sent, "request_id": "b", "version": "1.0.0"},
        {**sent, "request_id": "c", "version": "9.0.0"},
    ]
    body = {
        "batch": "1",
        "predictions": predictions,
        "outcomes": [{"request_id": "a", "at": at, "actual": 2.0}, {"request_id": "b", "at": at, "name": "x"}],
        "minutes": [
            {"model": "spread", "version": "1.0.0", "profile": "", "at": 60, "n": 1, "n_dropped": 0, "sketch": "eHl6"},
        ],
    }
    path = "/api/v1/replica/records"
    assert server.ask(path, body).json == {"n_predictions": 2, "n_outcomes": 1, "n_minutes": 0}
    for batch in ("1", "2"):  # the server that has taken it, and another one
        assert server.ask(path, {**body, "batch": batch}).json["n_predictions"] == 0
    refused = server.ask(path, {**body, "batch": "3", "predictions": [{**sent, "request_id": "d"}]})
    assert refused.status == 400
    assert "version" in str(refused.json)


def test_what_waits_to_be_sent_takes_no_more_room_than_it_may(tmp_path, caplog):
    outbox = ReplicaOutbox(tmp_path, 1_000, seconds=3600)
    for n in range(30):
        outbox.add(OutcomeRecord(f"r{n}", utc_now(), actual=float(n)))
        outbox._write_all()
    outbox.close()
    left = batches_in(tmp_path)
    assert sum(file.stat().st_size for file in left) <= 1_000
    assert "r29" in left[-1].read_text()
    assert "serving.follow.send_mib allows no more of them" in caplog.text


def phases(workspace, now):
    return [(contact.name, contact.phase(now)) for contact in replica_contacts(workspace, now)]


def test_the_desk_knows_which_replicas_are_current_behind_or_silent(follower, control, workspace, ana):
    server, server.token = control
    assert server.ask("/api/v1/replica").status == 200
    assert phases(workspace, utc_now()) == [], "a person who looks is no replica"
    found = follower()
    assert found.follow_once()
    assert phases(workspace, utc_now()) == [("replica", ReplicaPhase.BEHIND)], "it has not said yet that it has all"
    assert found.follow_once()
    assert phases(workspace, utc_now()) == [("replica", ReplicaPhase.CURRENT)]

    Registry(workspace).set_alias("spread", "challenger", "1.1.0", actor=ana)
    begin = utc_now()
    found.follow_once()
    (contact,) = replica_contacts(workspace, utc_now())
    assert begin <= contact.since(utc_now()) <= utc_now()
    assert found.follow_once()
    later = utc_now() + timedelta(minutes=3)
    (contact,) = replica_contacts(workspace, later)
    assert (contact.behind_since, contact.phase(later), contact.since(later)) == (None, "silent", contact.contact_at)

    assert phases(workspace, utc_now() + KEPT) == []
    Tokens(workspace).revoke("t-0001", actor=ana)
    assert phases(workspace, utc_now()) == [], "a replica that was taken out of service"


def test_a_contact_is_written_once_a_minute_unless_it_says_something_new(workspace, ana):
    now, headers = utc_now(), host_headers("edge-1", 60.0)
    file = workspace.database("replicas")

    def noted(seconds, **more):
        before = file.signature()
        note_contact(workspace, ana, headers, now + timedelta(seconds=seconds), **more)
        return file.signature() != before

    assert noted(0, has_all=True)
    assert not noted(30, has_all=True)
    assert not noted(31), "a part of a file says nothing of it"
    assert noted(32, has_all=False)
    assert not noted(40, has_all=False)
    assert noted(93, has_all=False)
    (contact,) = replica_contacts(workspace, now)
    assert (contact.behind_since, contact.contact_at) == tuple(now + timedelta(seconds=each) for each in (32, 93))
    assert contact.phase(contact.contact_at + timedelta(seconds=299)) is ReplicaPhase.BEHIND
    assert contact.phase(contact.contact_at + timedelta(seconds=301)) is ReplicaPhase.SILENT, "it asks once a minute"
    headers = {**headers, "x-bondx-replica": "edge 1\x1b[31m"}
    assert not noted(200)
    headers = {**host_headers("edge-2", 5.0), "x-bondx-replica-seconds": "nan"}
    assert noted(200)
    assert [each.every_seconds for each in replica_contacts(workspace, now)] == [60.0, 5.0]


def test_both_sides_measure_the_age_of_the_last_contact(workspace, replica, ana):
    now = utc_now()
    note_contact(workspace, ana, host_headers("edge-1", 5.0), now, has_all=False)
    standing = ReplicaStanding(url="http://desk", contact_at=now)
    store_standing(standing_file(replica.root), standing)

    def measured(of, follow):
        settings = Settings()
        if follow is not None:
            settings = msgspec.structs.replace(
                settings, serving=msgspec.structs.replace(settings.serving, follow=follow)
            )
        metrics = ReplicationMetrics(of, lambda: settings, lambda: now + timedelta(seconds=200))
        return {each.name: each.value for family in metrics.collect() for each in family.samples}

    assert measured(workspace, None) == {
        "bondx_replica_seen_age_seconds": 200.0,
        "bondx_replica_seen_limit_seconds": 135.0,
        "bondx_replica_behind_seconds": 200.0,
    }
    follow = FollowSettings(url="http://desk", every_seconds=10.0)
    assert measured(replica, follow) == {
        "bondx_replica_contact_age_seconds": 200.0,
        "bondx_replica_contact_limit_seconds": 150.0,
    }
    assert measured(replica, None) == {}, "it follows nobody any more"
    workspace.state_file("replicas").write_text("{")
    assert measured(workspace, None) == {}


def test_a_replica_says_since_when_it_is_cut_off_and_until_when_it_serves_on():
    follow, now = FollowSettings(url="http://desk"), utc_now()
    standing = ReplicaStanding(url="http://desk", contact_at=now)
    assert silence_of(standing, follow, now + timedelta(seconds=135)) is None
    late = now + timedelta(seconds=136)
    until = in_words(now + timedelta(hours=24))
    assert silence_of(standing, follow, late) == (
        f"http://desk has not answered since {in_words(now)}; serving on until {until}"
    )
    for_ever = msgspec.structs.replace(follow, serve_on_hours=None)
    assert silence_of(standing, for_ever, late).endswith("; serving on without it")
    withdrawn = msgspec.structs.replace(standing, is_withdrawn=True)
    assert "nothing is served until it answers" in silence_of(withdrawn, follow, late)
    assert "has never answered" in silence_of(None, follow, now)


def test_ready_says_that_a_replica_is_cut_off_to_those_who_may_look(follower, control, replica, running):
    assert follower().follow_once()
    follow = {"url": "http://127.0.0.1:1", "serve_on_hours": None}
    replica.settings_file.write_text(json.dumps({"serving": {"follow": follow}}) + "\n")
    long_ago = ReplicaStanding(url="http://127.0.0.1:1", contact_at=utc_now() - timedelta(hours=1))
    store_standing(standing_file(replica.root), long_ago)
    with running(replica) as serving:
        answer = serving.ask("/ready")
        assert answer.status == 200, "it serves on"
        assert answer.json["cut_off"].startswith("http://127.0.0.1:1 has not answered since ")


def test_a_replica_that_serves_nothing_sends_nobody_to_promote(follower, control, replica, running, rows_of):
    found = follower(serve_on_hours=1)
    assert found.follow_once()
    found.line.left = 0
    found.now[0] += timedelta(hours=2)
    assert not found.follow_once()
    found.stop()
    follow = {"url": "http://127.0.0.1:1", "serve_on_hours": 1}
    replica.settings_file.write_text(json.dumps({"serving": {"follow": follow}}) + "\n")
    since = in_words(found.standing.contact_at)
    store_standing(standing_file(replica.root), msgspec.structs.replace(found.standing, url="http://127.0.0.1:1"))
    says = f"This replica serves nothing: its desk has not answered since {since}."
    with running(replica) as serving:
        for path in ("/v1/models/spread:predict", "/v1/models/spread/versions/1:predict"):
            answer = serving.ask(path, {"instances": rows_of("spread", 1)})
            assert (answer.status, answer.json["error"]) == (503, says)
        answer = serving.ask("/v1/completions", {"prompt": "a"})
        assert answer.status == 503
        assert says in str(answer.json)
        ready = serving.ask("/ready")
        assert (ready.status, ready.json["reasons"]) == (503, [says.removesuffix(".")])
        assert "nothing is served until it answers" in ready.json["cut_off"]


def test_a_replica_whose_token_is_revoked_says_that_it_is_refused_and_by_what(
    follower, control, workspace, replica, ana, caplog
):
    found = follower()
    assert found.follow_once()
    Tokens(workspace).revoke("t-0001", actor=ana)
    assert not found.follow_once()
    assert "the control plane refuses this replica, which serves on: " in caplog.text
    assert "Put a valid token where serving.follow.token_env says" in caplog.text
    assert "Client(" not in caplog.text
    stored, settings = read_standing(standing_file(replica.root)), found._settings
    since = in_words(found.standing.contact_at)
    assert silence_of(stored, settings, found.now[0]).startswith(
        f"{settings.url} has refused the token of serving.follow.token_env since {since}; serving on until "
    )
    by_file = FollowSettings(url=settings.url, token_file="replica.token")
    assert "has refused the token of serving.follow.token_file since" in silence_of(stored, by_file, found.now[0])
    found.line.left = 0
    assert not found.follow_once()
    assert silence_of(read_standing(standing_file(replica.root)), settings, found.now[0]) is None, "it was just here"


def test_a_replica_that_is_stopped_on_purpose_is_not_silent(follower, control, workspace):
    found = follower()
    assert found.follow_once()
    assert len(replica_contacts(workspace, utc_now())) == 1
    found.stop()
    assert replica_contacts(workspace, utc_now()) == []
    other = follower()
    other.line.left = 0
    other.stop()
    assert other.line.asked == found.line.asked, "one that has never been answered says nothing"


def test_a_replica_for_other_machines_whose_desk_has_never_answered_says_that_it_needs_it(replica, called):
    follow = {"url": "http://127.0.0.1:1"}
    replica.settings_file.write_text(json.dumps({"serving": {"listen": "0.0.0.0:0", "follow": follow}}) + "\n")
    code, _, err = called(main, "--workspace", replica.root, "serve")
    assert code == 2
    assert "by the tokens of http://127.0.0.1:1, which has not answered yet" in err
    assert "bondx serve token create" not in err, "a token of its own would open it, and is not what it lacks"


def test_a_replica_is_listed_under_its_token_whatever_host_it_names(workspace, ana, monkeypatch):
    token, _ = Tokens(workspace).create("replica", Role.OPERATOR, actor=ana)
    monkeypatch.setattr(contacts, "_MOST", 2)
    for host in ("edge-1", "replica-9", "edge-1", "edge-2"):
        note_contact(workspace, token.actor("192.0.2.1"), host_headers(host, 5.0), utc_now())
    listed = [(each.name, each.host, each.principal) for each in replica_contacts(workspace, utc_now())]
    assert listed == [("replica", "edge-1", "token:t-0001"), ("replica", "replica-9", "token:t-0001")]
