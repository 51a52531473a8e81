"""Requests that offer another protocol: answered as HTTP/1.1, as if they offered none.

Java's default client and `curl --http2` offer HTTP/2 (`Upgrade: h2c`) with every first request. The parser takes all
bytes behind such a head for those of the other protocol, and the body would be lost. So the head is parsed again
without the offer, and the rest of the bytes with it.

Source: RFC 9110, section 7.8: a server may ignore the field. The same fault in others: Kludex/uvicorn#2722
"""

import httptools
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_TUNNEL = b"CONNECT"


class OneProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which stays with HTTP/1.1. A subclass returns from its callbacks while `_is_offer`."""

    @property
    def _is_offer(self) -> bool:
        """Whether the head just parsed offers another protocol: it is parsed again without the offer."""
        return self.parser.should_upgrade() and self.parser.get_method() != _TUNNEL

    @override
    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        while data:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserError as error:
                self.send_400_response(str(error))
                return
            except httptools.HttpParserUpgrade as offer:
                if self.parser.get_method() == _TUNNEL:  # its answer is the last: the rest is for the other end
                    self.cycle.keep_alive = False
                    return
                data = self._head_without_offer() + data[offer.args[0] :]
                self._take_fresh_parser()

    def _take_fresh_parser(self) -> None:
        """Forget the head with the offer: after `Connection: close` or in HTTP/1.0, the old parser reads no further."""
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own

    def _head_without_offer(self) -> bytes:
        fields = [b"%b: %b\r\n" % (name, value) for name, value in self.headers if name != b"upgrade"]
        version = self.parser.get_http_version().encode()
        return b"%b %b HTTP/%b\r\n%b\r\n" % (self.parser.get_method(), self.url, version, b"".join(fields))

    @override
    def on_headers_complete(self) -> None:
        if not self._is_offer:
            super().on_headers_complete()

    @override
    def on_message_complete(self) -> None:
        if not self._is_offer:
            super().on_message_complete()
