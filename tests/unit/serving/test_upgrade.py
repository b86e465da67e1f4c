"""Requests that offer another protocol are read as if they did not, whatever else their heads hold."""

from __future__ import annotations

from typing import Any

import httptools
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlsandbox_serving.service.upgrade import without_offer

OFFER = b"Upgrade: h2c\r\n"


class Read:
    """What a parser finds: each request with its headers and body."""

    def __init__(self) -> None:
        self.found: list[tuple[Any, ...]] = []
        self.parser = httptools.HttpRequestParser(self)
        self.fails = False

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value.rstrip(b" \t")))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            parser = self.parser
            version, stays = parser.get_http_version(), parser.should_keep_alive()
            self.found.append((parser.get_method(), self.url, version, stays, tuple(self.headers), self.body))

    def feed(self, data: bytes) -> Read:
        """Read it as the guard does."""
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                method = self.parser.get_method()
                if method == b"CONNECT":
                    self.fails = True
                    return self
                head = without_offer(method, self.url, self.parser.get_http_version().encode(), self.headers)
                data = head + data[upgrade.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
            except httptools.HttpParserError:
                self.fails = True
                return self
            else:
                return self


ANY = st.binary(min_size=1, max_size=12).filter(lambda line: b"\n" not in line)
LINES = st.sampled_from(
    [
        *(
            b"Connection: Upgrade",
            b"Connection: close, upgrade",
            b"Connection: keep-alive,Upgrade,HTTP2-Settings",
            b"Proxy-Connection: upgrade",
        ),
        *(b"Connection: close", b"Connection:", b"Connection: ,,upgrade ,", b"HTTP2-Settings: AAMAAABk", b"Expect: 100-continue"),
        *(b"Content-Length: 5", b"Content-Length: 5 ", b"Content-Length: 0", b"Content-Length:\t5", b"Content-Length: 5, 5"),
        *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: chunked, gzip", b"Transfer-Encoding:"),
        *(b"X: a\r\n folded", b"X:\r\n\tContent-Length: 5", b"X: \xff\x80\t\xa0", b"X:", b"X: a:b: c", b"X:a", b"\x7f: a", b"X : a", b":"),
        *(b"X: a\rContent-Length: 5", b"X: a\nContent-Length: 5", b"X: a\x00", b"X: a\x0b", b"Content-Length\x00: 5", b"Trailer: x"),
    ]
)
FIRST = st.sampled_from(
    [b"POST / HTTP/1.1", b"GET /?a=%0d%0a#b HTTP/1.1", b"POST http://a/ HTTP/1.0", b"GET /\xff HTTP/1.1", b"HEAD * HTTP/1.1"]
)
BEHIND = st.sampled_from(
    [b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\nX: a\r\n\r\n", b"5\r\nhello\r\n0\r\nUpgrade: h2c\r\n\r\n", b"\r\n\r\n"]
)
NEXT = st.sampled_from([b"", b"GET /next HTTP/1.1\r\n\r\n", b"POST /n HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", b"zz"])


@settings(max_examples=2_000, deadline=None, derandomize=True)
@given(FIRST, st.lists(LINES | ANY, max_size=5), st.integers(0, 5), BEHIND, NEXT)
@example(b"POST / HTTP/1.1", [b"Connection: Upgrade", b"Content-Length: 5", b"Transfer-Encoding: chunked"], 0, b"0\r\n\r\n", b"zz")
@example(b"POST / HTTP/1.1", [b"Connection: Upgrade", b"X:\r\n\tContent-Length: 5"], 0, b"hello", b"GET /next HTTP/1.1\r\n\r\n")
def test_an_offer_changes_nothing(first: bytes, lines: list[bytes], at: int, behind: bytes, then: bytes) -> None:
    """A request with an offer must be read as the one without, with all that follows it, or be refused."""
    before, after = (b"".join(line + b"\r\n" for line in part) for part in (lines[:at], lines[at:]))
    plain = Read().feed(b"%b\r\n%b%b\r\n%b%b" % (first, before, after, behind, then))

    offered = Read().feed(b"%b\r\n%b%b%b\r\n%b%b" % (first, before, OFFER, after, behind, then))

    found, expected = (
        [(*request[:4], tuple(header for header in request[4] if header != (b"Upgrade", b"h2c")), request[5]) for request in read.found]
        for read in (offered, plain)
    )
    if not offered.fails:
        assert (found, offered.fails) == (expected, plain.fails)
    assert found == expected[: len(found)]


def test_heads_are_read_alike() -> None:
    """All but the offer must be in the head as it came, in its order."""
    head = without_offer(b"POST", b"/a?b", b"1.1", [(b"x", b"1"), (b"Upgrade", b"h2c"), (b"connection", b"Upgrade"), (b"x", b"")])

    assert head == b"POST /a?b HTTP/1.1\r\nx: 1\r\nconnection: Upgrade\r\nx: \r\n\r\n"
