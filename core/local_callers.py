"""Who counts as a caller on this machine: a program here that asked this server itself.

A proxy makes every caller look local, and a web page can make a browser on this machine send requests: under its own
host name (DNS rebinding), or to ours from its own origin. None of these is a person or a program at this machine.
"""

import re
from collections.abc import Mapping
from ipaddress import ip_address

FORWARDED = frozenset(
    (
        b"forwarded via "
        b"x-forwarded x-forwarded-by x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-prefix "
        b"x-forwarded-proto x-forwarded-protocol x-forwarded-scheme x-forwarded-server x-forwarded-ssl "
        b"x-original-forwarded-for x-original-host x-original-url x-originating-ip x-rewrite-url "
        b"x-real-ip x-client-ip x-cluster-client-ip x-remote-addr x-remote-ip x-proxyuser-ip client-ip true-client-ip "
        b"x-nf-client-connection-ip x-envoy-internal x-envoy-attempt-count x-envoy-expected-rq-timeout-ms "
        b"x-envoy-decorator-operation x-envoy-peer-metadata x-envoy-peer-metadata-id front-end-https "
        b"x-appengine-user-ip x-azure-clientip x-azure-socketip x-envoy-external-address x-envoy-original-path "
        b"x-vercel-forwarded-for cf-connecting-ip cf-connecting-ipv6 cf-ray cf-visitor cdn-loop do-connecting-ip "
        b"fastly-client-ip fly-client-ip fly-forwarded-port x-amz-cf-id x-amzn-trace-id x-arr-log-id wl-proxy-client-ip"
    ).split()
)
"""The headers by which proxies, load balancers and content networks say for whom they ask."""

_HOST = re.compile(rb"(localhost|[0-9.]{7,15}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?", flags=re.IGNORECASE)
_OWN_SITES = frozenset({b"same-origin", b"none"})  # our own page; an address that a person typed
_MAX_REMEMBERED = 1_000


class LocalCallers:
    """Tells callers on this machine from all others."""

    def __init__(self) -> None:
        self._meant: dict[tuple[bytes, bytes | None, bytes | None], bool] = {}

    def is_local(self, headers: Mapping[bytes, bytes], peer: str) -> bool:
        """Say whether a request comes from this machine and was meant for it.

        Args:
            headers: By lower-case name; the values of a repeated header in a line.
            peer: The address of the other end of the connection.
        """
        if not (FORWARDED.isdisjoint(headers) and is_loopback(peer)):
            return False
        if b"_" in b"".join(headers) and not FORWARDED.isdisjoint(name.replace(b"_", b"-") for name in headers):
            return False  # some gateways write names with underscores, as in CGI
        asked = headers.get(b"host", b""), headers.get(b"origin"), headers.get(b"sec-fetch-site")
        found = self._meant.get(asked)
        if found is None:
            if len(self._meant) >= _MAX_REMEMBERED:
                self._meant.clear()
            found = self._meant[asked] = is_meant_for_us(*asked)
        return found


def is_meant_for_us(host: bytes, origin: bytes | None, site: bytes | None) -> bool:
    """Say whether a request names this machine as its host, and comes from no foreign web page.

    Args:
        host: The header `Host`.
        origin: The header `Origin`, which browsers send with the requests of pages.
        site: The header `Sec-Fetch-Site`, the browser's own verdict.

    >>> is_meant_for_us(b"localhost:8501", None, None), is_meant_for_us(b"evil.example", None, None)
    (True, False)
    >>> is_meant_for_us(b"localhost:8501", b"http://localhost:3000", None)
    False
    """
    if not names_this_machine(host) or (site is not None and site not in _OWN_SITES):
        return False
    return origin is None or origin.lower() in (b"http://" + host.lower(), b"https://" + host.lower())


def names_this_machine(host: bytes) -> bool:
    """Say whether a `Host` header is a name of the loopback interface, and nothing else.

    >>> [names_this_machine(host) for host in (b"localhost:8501", b"[::1]", b"127.0.0.1:80", b"127.0.0.1.nip.io")]
    [True, True, True, False]
    """
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    name = found[1].decode()
    return name.lower() == "localhost" or is_loopback(name.strip("[]"))


def is_loopback(host: str) -> bool:
    """Say whether an address is this machine's own."""
    if host == "127.0.0.1":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
