"""Tokens of an OIDC provider on a running server: a real provider process, a real server, real requests."""

import asyncio
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest

pytest.importorskip("joserfc")

from console.cli.main import main
from core.access import VerbClass
from core.access.errors import OidcExtraMissingError, OidcKeysAwaitedError
from core.access.oidc import OidcIdentity
from core.governance import AuditLog
from core.governance.audit import _refusals
from core.governance.grants import Grants
from core.maintenance.doctor import examine
from core.serving.access import Role, Tokens
from core.serving.authenticator import Authenticator
from core.serving.errors import ForbiddenError, KeysAwaitedError, UnauthenticatedError
from core.serving.server import Server
from core.settings import load_settings
from core.settings.oidc import OidcSettings
from tests.oidc_provider import AUDIENCE, KEYS, METADATA, Provider, oidc_provider
from tests.waiting import until

ELSEWHERE = ("192.0.2.7", 50_000)
STATUS, TOKENS = "/api/v1/status", "/api/v1/tokens"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with oidc_provider() as found:
        yield found


@pytest.fixture
def configured(workspace, provider):
    """The workspace, whose servers take the tokens of the provider."""
    workspace.settings_file.write_text(f"serving: {{oidc: {{issuer: '{provider.issuer}', audience: {AUDIENCE}}}}}\n")
    return workspace


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def grant(workspace, *arguments: str) -> None:
    assert main(["--workspace", str(workspace.root), "access", "grant", *arguments]) == 0


def refusals(workspace) -> list[tuple[str, Any]]:
    return [(record.object, record.after) for record in AuditLog(workspace).tail(50) if record.verb == "access.refuse"]


def test_an_operator_can_use_it_from_the_settings_to_a_refusal(configured, provider, running, ana):
    _, secret = Tokens(configured).create("robot", Role.ADMIN, actor=ana)
    with running(configured) as server:
        token = provider.token("auth0|5f7c", groups=["quants"])

        # Nobody has granted anything: accounts may do everything, and subjects nothing.
        refused = server.ask(STATUS, headers=bearer(token))
        assert refused.status == 403
        assert "bondx access grant 'oidc:auth0|5f7c' viewer" in refused.json["error"]
        assert server.ask("/metrics", headers=bearer(token)).status == 403
        assert refusals(configured) == [("get /api/v1/status", {"verb": "view", "by": "oidc:auth0|5f7c"})]

        grant(configured, "oidc:auth0|5f7c", "viewer")
        assert server.ask(STATUS, headers=bearer(token)).status == 200
        assert server.ask("/metrics", headers=bearer(token)).status == 200
        own = server.ask("/api/v1/access/whoami", headers=bearer(token)).json
        assert (own["principal"], [right["role"] for right in own["rights"]]) == ("oidc:auth0|5f7c", ["viewer"])
        assert server.ask(TOKENS, {"name": "x", "role": "admin"}, headers=bearer(token)).status == 403
        assert ("post /api/v1/tokens", {"verb": "administer", "by": "oidc:auth0|5f7c"}) in refusals(configured)

        # A group of the token has a role; an account and a group of the machine with these names lend none.
        grant(configured, "oidc-group:quants", "admin")
        made = server.ask(TOKENS, {"name": "x", "role": "viewer"}, headers=bearer(token))
        assert made.status == 201
        record = next(each for each in AuditLog(configured).tail(50) if each.object == made.json["token_id"])
        assert record.actor == "oidc:auth0|5f7c@127.0.0.1"
        owner = Grants(configured).door.owner
        namesake = provider.token(owner, groups=[owner])
        assert server.ask(STATUS, headers=bearer(namesake)).status == 403
        assert server.ask("/api/v1/access/emergencies", {"reason": "x"}, headers=bearer(namesake)).status == 403

        # What is no token of the provider is refused with a reason, and never by a query.
        for headers, path, why in (
            (bearer(provider.token(aud="other")), STATUS, "for another audience"),
            (bearer(provider.token(exp=1)), STATUS, "has expired"),
            (bearer(token[:-8] + "AAAAAAAA"), STATUS, "not signed by a key"),
            (bearer(token + ", Bearer " + secret), STATUS, "not signed|unknown"),
            ({}, f"{TOKENS}?access_token={token}", "A token is required"),
        ):
            answer = server.ask(path, headers=headers)
            assert answer.status == 401, why
            assert answer.headers["www-authenticate"] == 'Bearer realm="bondx"'
            assert any(part in answer.json["error"] for part in why.split("|")), answer.json
        assert server.ask(STATUS, headers=bearer(secret)).status == 200

        # The provider changes its keys, and goes. No request is refused or put off for that.
        provider.rotate()
        assert server.ask(STATUS, headers=bearer(provider.token("auth0|5f7c"))).status == 200
        provider.rotate()
        newer = provider.token("auth0|5f7c")
        assert server.ask(STATUS, headers=bearer(newer)).status == 200
        provider.stop()
        assert server.ask(STATUS, headers=bearer(newer)).status == 200
        assert server.ask(STATUS, headers=bearer(token)).status == 200


def test_a_grant_of_some_models_lets_a_subject_ask_no_other_for_predictions(
    configured, provider, running, artifacts, rows_of, put_live
):
    for model in ("spread", "downgrade"):
        put_live(configured, model, artifacts / model)
    grant(configured, "oidc:ana", "viewer", "--model", "down*")
    own = bearer(provider.token())
    with running(configured) as server:
        assert server.ask("/api/v1/predict/downgrade", {"rows": rows_of("downgrade")}, headers=own).status == 200
        for path in ("/api/v1/predict/spread", "/v1/models/spread:predict", "/v2/models/spread/infer"):
            refused = server.ask(path, {"rows": rows_of("spread")}, headers=own)
            assert refused.status == 403, path
            assert "oidc:ana may not ask 'spread'" in str(refused.json)
        assert refusals(configured)[-1] == ("spread", {"verb": "prediction.ask", "by": "oidc:ana"})

        grant(configured, "oidc:ana", "viewer", "--model", "spread")
        until(
            lambda: server.ask("/api/v1/predict/spread", {"rows": rows_of("spread")}, headers=own).status == 200,
            "the new grant",
        )


def test_while_the_keys_are_awaited_others_are_answered(configured, provider, running):
    grant(configured, "oidc:ana", "viewer")
    token = provider.token()
    provider.answer(KEYS, "hold")
    with running(configured) as server, running_beside(server) as beside:
        waiting: Future[int] = Future()
        asks = threading.Thread(
            target=lambda: waiting.set_result(beside.ask("/metrics", headers=bearer(token)).status), daemon=True
        )
        asks.start()
        until(lambda: provider.counts().get(KEYS), "the server asking for the keys")
        assert server.ask("/health", headers=bearer(token)).status == 200
        provider.release()
        assert waiting.result() == 200
        asks.join()


def running_beside(server: Any) -> Any:
    """Return another connection to a server."""
    from contextlib import closing

    from tests.core.serving.conftest import RunningServer

    other = RunningServer(server.process, server.port)
    other.close = other.connection.close  # type: ignore[attr-defined]
    return closing(other)  # type: ignore[type-var]


class HandProvider:
    """Has the answers that a test gives it."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def identity(self, _token: str, _now: Any) -> OidcIdentity:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def authenticator(workspace, *answers: Any) -> Authenticator:
    keeper = Authenticator(workspace)
    keeper._oidc = HandProvider(*answers)  # type: ignore[assignment]
    return keeper


def admitted(keeper: Authenticator, authorization: bytes = b"Bearer a.b.c", takes: VerbClass = VerbClass.VIEW) -> Any:
    return keeper.admit({b"authorization": authorization}, ELSEWHERE, takes=takes, is_read=True)


ANA = OidcIdentity("ana", frozenset(), 9e9)


async def test_a_request_waits_for_the_keys_once_and_a_cancelled_one_takes_them_from_nobody(workspace):
    Grants(workspace).grant(_named("oidc:ana"), "viewer", actor=_owner(workspace))
    fetched: Future[None] = Future()
    keeper = authenticator(workspace, *[OidcKeysAwaitedError(fetched)] * 2, ANA)
    ask = {"takes": VerbClass.VIEW, "is_read": True}
    first, second = (
        asyncio.create_task(keeper.admit_waiting({b"authorization": b"Bearer a.b.c"}, ELSEWHERE, **ask)) for _ in "ab"
    )
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert not fetched.done()
    fetched.set_result(None)
    assert (await second).actor.name == "oidc:ana"


def test_where_nobody_can_wait_the_request_may_be_sent_again(workspace):
    with pytest.raises(KeysAwaitedError) as error:
        admitted(authenticator(workspace, OidcKeysAwaitedError(Future())))
    assert error.value.status == 503


@pytest.mark.parametrize(
    "authorization", [b"Bearer a.b", b"Bearer a.b.c.d.e", b"Bearer \xe9.b.c", b"Basic a.b.c", b"a.b.c"]
)
def test_what_cannot_be_a_signed_token_never_reaches_the_provider(workspace, authorization):
    with pytest.raises(UnauthenticatedError, match="unknown, expired or revoked"):
        admitted(authenticator(workspace), authorization)


def test_without_a_provider_a_signed_token_is_unknown(workspace):
    with pytest.raises(UnauthenticatedError, match="unknown, expired or revoked"):
        admitted(Authenticator(workspace))


def test_a_subject_reaches_the_routes_of_its_roles_alone(workspace):
    Grants(workspace).grant(_named("oidc:ana"), "operator", actor=_owner(workspace))
    for takes in (VerbClass.VIEW, VerbClass.INSPECT, VerbClass.OPERATE):
        assert str(admitted(authenticator(workspace, ANA), takes=takes).actor) == "oidc:ana@192.0.2.7"
    for takes in (VerbClass.APPROVE, VerbClass.ADMINISTER, VerbClass.REPAIR):
        with pytest.raises(ForbiddenError, match=r"requires the role .*, which oidc:ana lacks"):
            admitted(authenticator(workspace, ANA), takes=takes)


def test_with_a_provider_a_public_address_needs_no_token_of_ours(configured, provider):
    server = Server(configured, "0.0.0.0", 0)
    server.stop()


def test_without_the_extra_a_server_says_what_to_install(configured, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "joserfc", None)
    with pytest.raises(OidcExtraMissingError):
        Server(configured, "127.0.0.1", 0)
    assert main(["--workspace", str(configured.root), "serve", "--listen", "127.0.0.1:0"]) == 2
    said = capsys.readouterr().err
    assert "serving.oidc needs the extra oidc, which is not installed: pip install 'bondx-console[oidc]'." in said
    assert "Traceback" not in said
    (found,) = examine(configured)
    assert "pip install" in found.problem


def test_the_doctor_asks_the_provider(configured, provider):
    assert examine(configured) == []
    provider.answer(METADATA, "fields", {"issuer": "https://evil.example"})
    (found,) = examine(configured)
    assert found.file == str(configured.settings_file)
    assert "must be equal, letter by letter" in found.problem
    provider.release()
    provider.answer(KEYS, "text", '{"keys": []}')
    (found,) = examine(configured)
    assert "publishes no RSA key of 2048 bits" in found.problem
    provider.stop()
    (found,) = examine(configured)
    assert "cannot be reached" in found.problem


def test_the_settings_are_read_and_a_provider_without_encryption_is_refused_with_its_line(workspace, capsys):
    def write(issuer: str, more: str = "") -> None:
        workspace.settings_file.write_text(f"serving:\n  oidc:\n    issuer: {issuer}\n    audience: bondx\n{more}")

    write("https://login.example/realms/desk", "    groups_claim: https://example.com/groups\n")
    assert load_settings(workspace.settings_file).serving.oidc == OidcSettings(
        issuer="https://login.example/realms/desk", audience="bondx", groups_claim="https://example.com/groups"
    )
    for issuer, more, why in (
        ("http://login.example", "", "issuer must be an https:// URL"),
        ("https://login.example", "    algorithms: [none]\n", "none"),
        ("https://login.example", "    secret: x\n", "secret"),
    ):
        write(issuer, more)
        assert main(["config", "validate", str(workspace.settings_file)]) == 1
        said = capsys.readouterr()
        assert why in said.out + said.err


def _named(text: str) -> Any:
    from core.access import Principal

    return Principal.named(text)


def _owner(workspace: Any) -> Any:
    from core.actor import Actor, Origin

    return Actor(Grants(workspace).door.owner, "desk", Origin.COMMAND_LINE)


@pytest.fixture(autouse=True)
def _nothing_refused_before(monkeypatch):
    monkeypatch.setattr(_refusals, "_recorded", {})
