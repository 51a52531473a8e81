"""Access: every change requires a token, and only this machine may read without one."""

import http.client
import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from console.cli.main import main
from core.access import Principal, VerbClass
from core.access.roles import classes_of
from core.actor import Actor, Origin
from core.errors import UsageError
from core.governance import AuditLog
from core.governance.grants import Grants
from core.local_callers import FORWARDED
from core.serving.access import Role, Tokens
from core.serving.authenticator import Authenticator
from core.serving.errors import ForbiddenError, ListenError, UnauthenticatedError
from core.serving.server import Server
from tests.waiting import PATIENCE_SECONDS

HERE = ("127.0.0.1", 50_000)
ELSEWHERE = ("192.0.2.7", 50_000)
ROUTES = (VerbClass.VIEW, VerbClass.INSPECT, VerbClass.OPERATE, VerbClass.APPROVE, VerbClass.ADMINISTER)
LOCAL = {b"host": b"localhost:8501"}
MOVE = {"verb": "promote", "version": "1.1.0", "expected_revision": 0}


HOSTS_OF_OTHERS = (
    b"localhost.rebound.example",
    b"127.0.0.1.nip.io",
    b"localhost:8501@rebound.example",
    b"localhost:8501:80",
    b"localhost, rebound.example",
    b"localhost ",
    b"[::1",
    b"::1",
    b"127.1",
    b"2130706433",
    b"0.0.0.0",
    b"localhost:",
)
ORIGINS_OF_OTHERS = (
    b"null",
    b"",
    b"https://evil.example",
    b"http://localhost:3000",
    b"http://localhost:8501.evil.example",
)


class TestAReadWithoutAToken:
    @pytest.mark.parametrize("host", [b"localhost", b"127.0.0.1:8501", b"[::1]:8501", b"127.8.8.8"])
    def test_is_admitted_from_this_machine(self, workspace, host):
        assert (
            Authenticator(workspace).admit({b"host": host}, HERE, takes=VerbClass.VIEW, is_read=True).actor.name
            == "anonymous"
        )

    @pytest.mark.parametrize(
        ("headers", "client"),
        [
            pytest.param(LOCAL, ELSEWHERE, id="from elsewhere"),
            pytest.param(LOCAL, None, id="from nobody knows where"),
            pytest.param({b"host": b"rebound.example"}, HERE, id="under a foreign name"),
            pytest.param({}, HERE, id="under no name"),
            pytest.param(LOCAL | {b"x-forwarded-for": b"127.0.0.1"}, HERE, id="through a proxy"),
            *(pytest.param(LOCAL | {name: b"127.0.0.1"}, HERE, id=name.decode()) for name in sorted(FORWARDED)),
            *(pytest.param({b"host": host}, HERE, id=f"host {host.decode()}") for host in HOSTS_OF_OTHERS),
            *(pytest.param(LOCAL | {b"origin": of}, HERE, id=f"origin {of.decode()}") for of in ORIGINS_OF_OTHERS),
            pytest.param(LOCAL | {b"sec-fetch-site": b"cross-site"}, HERE, id="from a web page"),
            pytest.param(LOCAL | {b"sec-fetch-site": b"same-site"}, HERE, id="from a page of another port"),
        ],
    )
    def test_is_refused(self, workspace, headers, client):
        with pytest.raises(UnauthenticatedError):
            Authenticator(workspace).admit(headers, client, takes=VerbClass.VIEW, is_read=True)

    @pytest.mark.parametrize("site", [b"same-origin", b"none"])
    def test_of_our_own_page_is_admitted(self, workspace, site):
        headers = LOCAL | {b"origin": b"http://localhost:8501", b"sec-fetch-site": site}
        assert not Authenticator(workspace).admit(headers, HERE, takes=VerbClass.VIEW, is_read=True).has_token

    def test_is_refused_if_the_settings_say_so(self, workspace):
        with pytest.raises(UnauthenticatedError):
            Authenticator(workspace, local_reads=False).admit(LOCAL, HERE, takes=VerbClass.VIEW, is_read=True)


class TestAToken:
    def admitted(self, workspace, secret, takes, clock=None):
        keeper = Authenticator(workspace, clock=clock) if clock else Authenticator(workspace)
        headers = {b"authorization": f"Bearer {secret}".encode()}
        return keeper.admit(headers, ELSEWHERE, takes=takes, is_read=False)

    @pytest.mark.parametrize("held", Role)
    @pytest.mark.parametrize("takes", ROUTES)
    def test_opens_the_routes_that_its_role_reaches(self, workspace, held, takes, ana):
        _, secret = Tokens(workspace).create("robot", held, actor=ana)
        if takes in classes_of(held, governed=False):
            assert str(self.admitted(workspace, secret, takes).actor) == "ana@192.0.2.7 via robot"
        else:
            with pytest.raises(ForbiddenError, match=f"requires the role .*; token t-0001 has the role {held}"):
                self.admitted(workspace, secret, takes)

    def test_opens_nothing_once_revoked(self, workspace, ana):
        token, secret = Tokens(workspace).create("robot", Role.ADMIN, actor=ana)
        Tokens(workspace).revoke(token.token_id, actor=ana)
        with pytest.raises(UnauthenticatedError):
            self.admitted(workspace, secret, VerbClass.VIEW)

    def test_opens_its_routes_as_soon_as_it_is_made(self, workspace, ana):
        keeper = Authenticator(workspace)
        for name in ("first", "second"):  # within one look at the tokens
            _, secret = Tokens(workspace).create(name, Role.VIEWER, actor=ana)
            headers = {b"authorization": f"Bearer {secret}".encode()}
            assert keeper.admit(headers, ELSEWHERE, takes=VerbClass.VIEW, is_read=False).actor.via == name

    def test_opens_nothing_once_expired(self, workspace, ana):
        _, secret = Tokens(workspace).create("robot", Role.VIEWER, actor=ana, valid_days=1)
        assert self.admitted(workspace, secret, VerbClass.VIEW)
        with pytest.raises(UnauthenticatedError):
            self.admitted(
                workspace, secret, VerbClass.VIEW, clock=lambda: datetime.now(UTC) + timedelta(days=1, minutes=1)
            )

    @pytest.mark.parametrize("spelling", ["", "bondx_", "nonsense", "Basic Zm9v", "Bearer"])
    def test_that_is_invalid_is_refused_even_on_this_machine(self, workspace, spelling, ana):
        Tokens(workspace).create("robot", Role.VIEWER, actor=ana)
        headers = LOCAL | {b"authorization": spelling.encode()}
        with pytest.raises(UnauthenticatedError):
            Authenticator(workspace).admit(headers, HERE, takes=VerbClass.VIEW, is_read=True)

    def test_is_stored_as_a_digest_only_and_its_creation_is_audited(self, workspace, ana):
        token, secret = Tokens(workspace).create("robot", Role.OPERATOR, actor=ana, reason="nightly promotions")
        for file in workspace.root.rglob("*"):
            assert not file.is_file() or secret.encode() not in file.read_bytes()
        record = AuditLog(workspace).tail(1)[0]
        assert (record.verb, record.object, record.reason) == ("token.create", token.token_id, "nightly promotions")
        assert record.after == {"name": "robot", "person": "ana", "role": "operator"}

    @pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 61])
    def test_needs_a_plain_name(self, workspace, name, ana):
        with pytest.raises(UsageError):
            Tokens(workspace).create(name, Role.VIEWER, actor=ana)


class TestALimitedGrant:
    @pytest.fixture
    def reached(self, workspace):
        """Return a function that says why a token with a limited role may not inspect; "" if it may."""

        owner = Actor(Grants(workspace).door.owner, "desk", Origin.COMMAND_LINE)

        def asked(model, **limits):
            secret = Tokens(workspace).create("robot", Role.VIEWER, actor=owner)[1]
            name = Tokens(workspace).all()[-1].token_id
            Grants(workspace).grant(Principal.named(f"token:{name}"), "operator", actor=owner, **limits)
            headers = {b"authorization": f"Bearer {secret}".encode()}
            try:
                Authenticator(workspace).admit(headers, ELSEWHERE, takes=VerbClass.INSPECT, is_read=True, model=model)
            except ForbiddenError as refusal:
                return str(refusal)
            return ""

        return asked

    def test_inspects_its_models_alone(self, reached):
        assert reached("people", models=["peo*"]) == ""
        assert "may not do workspace.inspect ('pricing'): token:t-0002" in reached("pricing", models=["peo*"])
        assert "(the whole workspace)" in reached(None, models=["peo*"])
        assert "(the whole workspace)" in reached(None, stages=["Staging"])
        assert reached("people", stages=["Staging"]) == ""  # in some stage: the route asks for that of the version

    def test_without_limits_inspects_everything(self, reached):
        assert reached(None) == reached("pricing") == ""


def test_a_public_address_is_not_served_without_a_valid_token(workspace):
    with pytest.raises(ListenError, match="bondx serve token create"):
        Server(workspace, "0.0.0.0", 0)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/models/spread/moves", MOVE),
        ("/api/v1/sessions", {"name": "x"}),
        ("/api/v1/outcomes", {"outcomes": [{"request_id": "1", "actual": 1.0}]}),
        ("/api/v1/tokens", {"name": "x", "role": "admin"}),
    ],
)
def test_over_http_nothing_changes_without_a_token(server, path, body):
    answer = server.ask(path, body)
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_over_http_each_role_has_its_routes(server, tokens):
    bodies = {
        Role.VIEWER: ("/api/v1/outcomes", {"outcomes": [{"request_id": "1", "actual": 1.0}]}),
        Role.OPERATOR: ("/api/v1/alerts/none/acknowledge", {}),
        Role.ADMIN: ("/api/v1/tokens", None),
    }
    for held, secret in tokens.items():
        for needed, (path, body) in bodies.items():
            status = server.ask(path, body, headers={"authorization": f"Bearer {secret}"}).status
            assert (status == 403) == (not held.includes(needed)), (held, needed, status)


def test_over_http_a_broken_glass_makes_nobody_an_admin_for_good(workspace, ana):
    _, secret = Tokens(workspace).create("pager", Role.VIEWER, actor=ana)
    grants = Grants(workspace)
    grants.define_role("fire", ["access.break_glass"], actor=ana)
    grants.grant(Principal.named("token:t-0001"), "fire", actor=ana)
    server = Server(workspace, "127.0.0.1", 0)
    server.start()
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=PATIENCE_SECONDS)

    def ask(method, path, body=None):
        fields = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
        connection.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), fields)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    try:
        status, glass = ask("POST", "/access/emergencies", {"reason": "fire", "valid_hours": 1})
        assert status == 201
        status, refusal = ask("POST", "/access/grants", {"principal": "ben", "role": "admin", "valid_hours": 2})
        assert (status, glass["grant_id"] in str(refusal)) == (403, True)
        assert AuditLog(workspace).tail(1)[0].verb == "access.refuse"
        for path, body in (
            ("/access/grants", {"principal": "ben", "role": "admin"}),
            ("/tokens", {"name": "mine", "role": "admin"}),
        ):
            status, made = ask("POST", path, body)
            assert (status, made["expires_at"], made["rests_on"]) == (201, glass["expires_at"], [glass["grant_id"]])
        status, ended = ask("DELETE", f"/access/grants/{glass['grant_id']}")
        assert (status, [grant["name"] for grant in ended]) == (200, ["t-0001", "ben"])
        assert [token.revoked_at is None for token in Tokens(workspace).all()] == [True, False]
    finally:
        connection.close()
        server.stop()


def test_tokens_are_created_listed_and_revoked_from_the_shell(workspace, capsys):
    root = ["--workspace", str(workspace.root), "serve", "token"]
    assert main([*root, "create", "ci", "--role", "operator", "--days", "7"]) == 0
    secret = capsys.readouterr().out.strip()
    keeper = Authenticator(workspace)
    headers = {b"authorization": f"bearer {secret}".encode()}
    assert keeper.admit(headers, ELSEWHERE, takes=VerbClass.OPERATE, is_read=False).actor.via == "ci"
    assert main([*root, "revoke", "t-0001"]) == 0
    assert main([*root, "list"]) == 0
    assert "ci" in capsys.readouterr().out
    assert main([*root, "revoke", "t-0009"]) == 2


def test_a_revoked_token_soon_opens_nothing_on_a_running_server(server, served, ana):
    token, secret = Tokens(served).create("short", Role.VIEWER, actor=ana)
    fields = {"authorization": f"Bearer {secret}"}
    assert server.ask("/api/v1/status", headers=fields).status == 200
    Tokens(served).revoke(token.token_id, actor=ana)
    server.until(lambda: server.ask("/api/v1/status", headers=fields).status == 401, "shutting the revoked token out")


def test_an_invalid_address_is_refused_in_one_sentence(workspace, capsys):
    assert main(["--workspace", str(workspace.root), "serve", "--listen", "nowhere"]) == 2
    assert "HOST:PORT" in capsys.readouterr().err


def test_an_invalid_certificate_is_refused_in_one_sentence(workspace, capsys, tmp_path):
    (tmp_path / "chain.pem").write_text("no certificate")
    os.mkfifo(tmp_path / "pipe.pem")
    for name, said in (
        ("chain.pem", f"The certificate or its key in {tmp_path / 'chain.pem'} cannot be used: "),
        ("nowhere.pem", f"{tmp_path / 'nowhere.pem'} cannot be read: No such file or directory."),
        ("pipe.pem", f"{tmp_path / 'pipe.pem'} cannot be read: "),
    ):
        arguments = ["--listen", "127.0.0.1:0", "--certificate", str(tmp_path / name)]
        assert main(["--workspace", str(workspace.root), "serve", *arguments]) == 2
        assert said in capsys.readouterr().err


def test_a_port_in_use_is_refused_in_one_sentence(workspace, capsys, running):
    with running(workspace) as server:
        assert main(["--workspace", str(workspace.root), "serve", "--listen", f"127.0.0.1:{server.port}"]) == 2
    assert f"Cannot listen on 127.0.0.1:{server.port}: Address already in use" in capsys.readouterr().err
