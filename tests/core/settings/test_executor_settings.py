"""The `executor` block: what is refused, with the cure; and that only TLS or this machine is a way to a cluster."""

import pytest

from core.settings.executor import ExecutorSettings, ExecutorTls

TLS = ExecutorTls(ca="ca.pem", cert="cert.pem", key="key.pem")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param({"kind": "dask"}, "needs the address of a scheduler", id="no address"),
        pytest.param({"address": "tcp://127.0.0.1:1"}, "are for kind: dask, and the kind is thread", id="threads"),
        pytest.param({"kind": "process", "tls": TLS}, "are for kind: dask, and the kind is process", id="processes"),
        pytest.param({"kind": "dask", "address": "127.0.0.1:8786"}, "must be tcp://HOST:PORT", id="no scheme"),
        pytest.param({"kind": "dask", "address": "tcp://127.0.0.1:65536"}, "must be tcp://HOST:PORT", id="no port"),
        pytest.param({"kind": "dask", "address": "tcp://127.0.0.1:1\n"}, "must be tcp://HOST:PORT", id="a line end"),
        pytest.param({"kind": "dask", "address": "ws://127.0.0.1:1"}, "must be tcp://HOST:PORT", id="another scheme"),
        pytest.param({"kind": "dask", "address": "tls://h:1"}, "needs tls: {ca, cert, key}", id="no certificate"),
        pytest.param(
            {"kind": "dask", "address": "tcp://127.0.0.1:1", "tls": TLS},
            "tls needs a tls:// address",
            id="no use of tls",
        ),
        pytest.param({"kind": "dask", "address": "tcp://10.0.0.7:1"}, "is another machine", id="another machine"),
        pytest.param({"kind": "dask", "address": "tcp://0.0.0.0:1"}, "is another machine", id="every interface"),
        pytest.param({"kind": "dask", "address": "tcp://localhost.evil:1"}, "is another machine", id="a name like it"),
    ],
)
def test_a_block_that_cannot_work_or_is_not_safe_is_refused(given, said):
    with pytest.raises(ValueError, match=said):
        ExecutorSettings(**given)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"kind": "process", "workers": 3},
        {"kind": "dask", "address": "tcp://127.0.0.1:8786"},
        {"kind": "dask", "address": "tcp://[::1]:8786"},
        {"kind": "dask", "address": "tcp://localhost:8786"},
        {"kind": "dask", "address": "tls://dask.example.org:8786", "tls": TLS},
        {"kind": "dask", "address": "tcp://10.0.0.7:8786", "allow_unencrypted": True},
    ],
)
def test_a_block_that_can_work_is_taken(given):
    ExecutorSettings(**given)
