"""A token of an OIDC provider at the doors of predictions: rows and texts over HTTP, and calls over gRPC."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

pytest.importorskip("joserfc")

from console.cli.main import main
from tests.core.serving.conftest import running
from tests.core.serving.rpc.asking import HEALTH, PREDICT, Caller, tf_request
from tests.oidc_provider import AUDIENCE, KEYS, oidc_provider
from tests.processes import free_port
from tests.waiting import until

Code = grpc.StatusCode
CONTENT = tf_request("nothing", [{"x": 1.0}])


def test_a_token_of_the_provider_counts_over_grpc_as_over_http(workspace):
    with oidc_provider() as provider:
        workspace.settings_file.write_text(
            f"serving: {{oidc: {{issuer: '{provider.issuer}', audience: {AUDIENCE}}}}}\n"
        )
        grants = ["--workspace", str(workspace.root), "access", "grant"]
        assert main([*grants, "oidc:ana", "viewer"]) == 0
        assert main([*grants, "oidc-group:quants", "viewer"]) == 0
        provider.answer(KEYS, "hold")
        port = free_port()
        with running(workspace, "--grpc-port", str(port)) as server, ThreadPoolExecutor(1) as beside:
            caller = Caller(port)

            def asked(token: str) -> Code:
                return caller.ask(PREDICT, CONTENT, authorization=f"Bearer {token}").code

            # Whoever is admitted learns that there is no such model. A call waits for the keys, and holds up no other.
            waiting = beside.submit(asked, provider.token())
            until(lambda: provider.counts().get(KEYS), "the server asking for the keys")
            assert caller.ask(HEALTH).code is Code.OK
            provider.release()
            assert waiting.result() is Code.NOT_FOUND
            assert asked(provider.token("ben", groups=["quants"])) is Code.NOT_FOUND
            in_many = provider.token("ben", groups=["quants", *(f"group-{number:012}" for number in range(500))])
            assert len(in_many) > 14_000
            assert {asked(in_many) for _ in range(20)} == {Code.NOT_FOUND}
            assert asked(provider.token("ben")) is Code.PERMISSION_DENIED
            for token in (provider.token(aud="other"), provider.token(exp=1), "a.b.c"):
                assert asked(token) is Code.UNAUTHENTICATED, token[:80]

            for path in ("/api/v1/predict/nothing", "/api/v1/generate/nothing", "/v1/completions"):
                for token, status in ((provider.token(), 404), (provider.token("ben"), 403), ("a.b.c", 401)):
                    answer = server.ask(path, {"model": "nothing"}, headers={"authorization": f"Bearer {token}"})
                    assert answer.status == status, path

            provider.rotate()
            newer = provider.token()
            assert asked(newer) is Code.NOT_FOUND
            caller.close()
