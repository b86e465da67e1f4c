"""Requests that are almost right: from right ones, by small changes of bytes, values, headers and framing.

Everything is drawn from the random numbers that are handed in: the same seed gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from support.fuzz_values import (
    ACCEPTS,
    FIELD_BYTES,
    NAMES,
    NO_HTTP,
    ODD_QUERIES,
    ODD_VALUES,
    PIECES,
    TARGETS,
    TYPES,
    VALUES,
)
from support.raw_http import chunked

Field = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Sent:
    """One request.

    Args:
        framed: whether it is one request to everybody: its length is what its headers say, and its head is HTTP.
        in_chunks: sizes of the chunks of its body; None: content-length.
    """

    method: bytes
    target: bytes
    fields: tuple[Field, ...]
    body: bytes
    framed: bool = True
    in_chunks: tuple[int, ...] | None = None
    raw: bytes | None = None

    def encode(self) -> bytes:
        """Its bytes."""
        if self.raw is not None:
            return self.raw
        names = {name.lower() for name, _ in self.fields}
        fields = [(b"Host", b"127.0.0.1"), *self.fields]
        body = self.body
        if self.in_chunks is not None and not names & {b"content-length", b"transfer-encoding"}:
            fields.append((b"Transfer-Encoding", b"chunked"))
            body = chunked(body, self.in_chunks)
        elif not names & {b"content-length", b"transfer-encoding"} and (body or self.method == b"POST"):
            fields.append((b"Content-Length", b"%d" % len(body)))
        lines = [b"%b %b HTTP/1.1" % (self.method, self.target), *(b"%b: %b" % field for field in fields)]
        return b"\r\n".join([*lines, b"", b""]) + body


def mutated(random: Random, corpus: Sequence[Sent]) -> Sent:
    """One request of the corpus with none to four changes."""
    sent = random.choice(corpus)
    for _ in range(random.choice((0, 1, 1, 1, 2, 2, 3, 4))):
        group = random.choices((_BODY, _FIELDS, _FRAMES), weights=(6, 3, 1))[0]
        sent = random.choice(group)(random, sent, corpus)
    return sent


Change = Callable[[Random, Sent, Sequence[Sent]], Sent]


def _flip(random: Random, sent: Sent, _corpus: Sequence[Sent]) -> Sent:
    body = bytearray(sent.body)
    for _ in range(random.choice((1, 1, 2, 8)) if body else 0):
        body[random.randrange(len(body))] ^= 1 << random.randrange(8)
    return replace(sent, body=bytes(body))


def _cut(random: Random, sent: Sent, _corpus: Sequence[Sent]) -> Sent:
    place = random.randrange(len(sent.body) + 1)
    return replace(sent, body=random.choice((sent.body[:place], sent.body[place:])))


def _insert(random: Random, sent: Sent, _corpus: Sequence[Sent]) -> Sent:
    place = random.randrange(len(sent.body) + 1)
    new = random.choice((random.randbytes(random.randrange(1, 40)), *PIECES))
    return replace(sent, body=sent.body[:place] + new + sent.body[place:])


def _repeat(random: Random, sent: Sent, _corpus: Sequence[Sent]) -> Sent:
    first, last = sorted(random.randrange(len(sent.body) + 1) for _ in range(2))
    times = random.choice((2, 3, 50))
    return replace(sent, body=sent.body[:first] + sent.body[first:last] * times + sent.body[last:])


def _splice(random: Random, sent: Sent, corpus: Sequence[Sent]) -> Sent:
    other = random.choice(corpus).body
    return replace(sent, body=sent.body[: random.randrange(len(sent.body) + 1)] + other[random.randrange(len(other) + 1) :])


def _value(random: Random, sent: Sent, _corpus: Sequence[Sent]) -> Sent:
    """Another word in the place of a number, a text or a word of JSON."""
    tokens = list(_TOKEN.finditer(sent.body))
    if not tokens:
        return _insert(random, sent, _corpus)
    token = random.choice(tokens)
    return replace(sent, body=sent.body[: token.start()] + random.choice(VALUES) + sent.body[token.end() :])


def _nest(random: Random, sent: Sent, _corpus: Sequence[Sent]) -> Sent:
    depth = random.choice((2, 100, 1_000, 100_000))
    left, right = random.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'{"rows":[', b"]}"), (b"[", b""), (b'{"inputs":', b"")))
    return replace(sent, body=left * depth + sent.body + right * depth)


def _pad(random: Random, sent: Sent, _corpus: Sequence[Sent]) -> Sent:
    return replace(sent, body=sent.body + random.choice((b" ", b"\x00", b"\r\n", b"A", b"\xff")) * random.choice((1, 1_000, 300_000)))


def _type(random: Random, sent: Sent, _corpus: Sequence[Sent]) -> Sent:
    return _with(sent, b"Content-Type", random.choice(TYPES))


def _accept(random: Random, sent: Sent, _corpus: Sequence[Sent]) -> Sent:
    return _with(sent, b"Accept", random.choice(ACCEPTS))


def _encoding(random: Random, sent: Sent, _corpus: Sequence[Sent]) -> Sent:
    return _with(sent, b"Content-Encoding", random.choice((b"gzip", b"identity", b"IDENTITY ", b"br, gzip", b"", b"\xff", b"deflate")))


def _odd_field(random: Random, sent: Sent, _corpus: Sequence[Sent]) -> Sent:
    name = random.choice(NAMES)
    value = random.choice((*ODD_VALUES, bytes(random.choice(FIELD_BYTES) for _ in range(random.randrange(60)))))
    return replace(sent, fields=(*sent.fields, (name, value.strip(b" \t"))))


def _twice(random: Random, sent: Sent, _corpus: Sequence[Sent]) -> Sent:
    return replace(sent, fields=(*sent.fields, random.choice(sent.fields))) if sent.fields else sent


def _many(random: Random, sent: Sent, _corpus: Sequence[Sent]) -> Sent:
    return replace(sent, fields=(*sent.fields, *((b"X-%d" % place, b"v") for place in range(random.choice((50, 150))))))


def _path(random: Random, sent: Sent, _corpus: Sequence[Sent]) -> Sent:
    return replace(sent, target=random.choice((*TARGETS, sent.target + b"?" + random.choice(ODD_QUERIES), sent.target + b"/")))


def _method(random: Random, sent: Sent, _corpus: Sequence[Sent]) -> Sent:
    return replace(sent, method=random.choice((b"GET", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"HEAD", b"TRACE")))


def _chunks(random: Random, sent: Sent, _corpus: Sequence[Sent]) -> Sent:
    sizes = tuple(random.randrange(1, len(sent.body) + 2) for _ in range(random.randrange(5)))
    return replace(sent, in_chunks=sizes)


def _no_length(random: Random, sent: Sent, _corpus: Sequence[Sent]) -> Sent:
    """A length that is not the body's, or none."""
    length = random.choice((b"0", b"1", b"-1", b"+5", b"1e3", b"", b"99999999999999999999999", b"5, 5", b"\xb2", b"0x10", b"1_0"))
    return replace(sent, fields=(*sent.fields, (b"Content-Length", length)), framed=False)


def _long_length(random: Random, sent: Sent, _corpus: Sequence[Sent]) -> Sent:
    return replace(sent, fields=(*sent.fields, (b"Content-Length", b"%d" % (len(sent.body) + random.choice((1, 7, 10**6))))), framed=False)


def _bad_chunks(random: Random, sent: Sent, _corpus: Sequence[Sent]) -> Sent:
    body = random.choice(
        (
            b"zz\r\n" + sent.body,
            b"-5\r\nhello\r\n0\r\n\r\n",
            b"ffffffffffffffffff\r\n",
            b"5\r\nhi\r\n0\r\n\r\n",
            b"5;" + b"x" * 5000,
            b"0\r\nX: \x00\r\n\r\n",
        )
    )
    encoding = random.choice((b"chunked", b"chunked", b"gzip, chunked", b"chunked, identity", b"CHUNKED", b"xchunked"))
    return replace(sent, fields=(*sent.fields, (b"Transfer-Encoding", encoding)), body=body, framed=False)


def _both(random: Random, sent: Sent, _corpus: Sequence[Sent]) -> Sent:
    """A length and chunks: whoever reads one where another reads the other is fooled."""
    fields = [(b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"%d" % random.choice((0, 4, len(sent.body))))]
    random.shuffle(fields)
    return replace(sent, fields=(*sent.fields, *fields), body=chunked(sent.body, ()), framed=False)


def _raw(random: Random, sent: Sent, _corpus: Sequence[Sent]) -> Sent:
    """Changed bytes anywhere, also in the head."""
    data = bytearray(sent.encode())
    for _ in range(random.choice((1, 2, 10))):
        place = random.randrange(min(len(data), random.choice((30, 300, len(data)))))
        data[place] = random.choice((random.randrange(256), 0, 13, 10, 32, 58, 255))
    return replace(sent, raw=bytes(data), framed=False)


def _raw_cut(random: Random, sent: Sent, _corpus: Sequence[Sent]) -> Sent:
    data = sent.encode()
    return replace(sent, raw=data[: random.randrange(1, len(data) + 1)], framed=False)


def _no_http(random: Random, sent: Sent, _corpus: Sequence[Sent]) -> Sent:
    return replace(sent, raw=random.choice(NO_HTTP), framed=False)


def _upgrade(random: Random, sent: Sent, _corpus: Sequence[Sent]) -> Sent:
    fields = ((b"Connection", b"Upgrade"), (b"Upgrade", random.choice((b"websocket", b"h2c", b"\xff"))), (b"Sec-WebSocket-Version", b"13"))
    return replace(sent, fields=(*sent.fields, *fields), framed=False)


def _with(sent: Sent, name: bytes, value: bytes) -> Sent:
    return replace(sent, fields=(*(field for field in sent.fields if field[0].lower() != name.lower()), (name, value)))


_BODY: tuple[Change, ...] = (_flip, _flip, _cut, _insert, _repeat, _splice, _value, _value, _value, _nest, _pad)
_FIELDS: tuple[Change, ...] = (_type, _accept, _encoding, _odd_field, _odd_field, _twice, _many, _path, _method, _chunks)
_FRAMES: tuple[Change, ...] = (_no_length, _long_length, _bad_chunks, _both, _raw, _raw, _raw_cut, _no_http, _upgrade)

_TOKEN = re.compile(rb'-?\d[\d.eE+-]*|"[^"]*"|true|false|null')
