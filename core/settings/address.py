"""An address to listen on: HOST:PORT, :PORT or PORT."""

import re
from typing import Annotated

from msgspec import Meta

_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_PORT = "0*(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[0-9]{1,4})"
# A name of digits and dots alone is an IPv4 address, or a mistake: in 8501:8510 it is the first port of a range.
_HOST = rf"(\[[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?\]|{_OCTET}(\.{_OCTET}){{3}}|(?![0-9.]+:)[A-Za-z0-9._-]*)"
_ADDRESS = rf"^({_HOST}:)?{_PORT}(?![\s\S])"  # the dollar of Python would accept a line end, too

ADDRESS_FORM = "use HOST:PORT with one port from 0 to 65535, such as 127.0.0.1:8501 or [::1]:8501"

ListenAddress = Annotated[
    str,
    Meta(
        pattern=_ADDRESS,
        description="HOST:PORT to listen on; without a host, this machine only.",
        extra={"form": ADDRESS_FORM},
    ),
]


def host_and_port(text: str) -> tuple[str, int] | None:
    """Split an address; without a host, only this machine can connect. None if it is not an address.

    >>> host_and_port("8501"), host_and_port("[::1]:80"), host_and_port("localhost:8501-8510"), host_and_port("1:2")
    (('127.0.0.1', 8501), ('::1', 80), None, None)
    """
    if re.fullmatch(_ADDRESS, text) is None:
        return None
    host, _, port = text.rpartition(":")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)
