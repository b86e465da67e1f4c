"""Requests to Elasticsearch: JSON in, JSON out, bounded in time and size."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from mlsandbox_serving.elasticsearch.address import parse

_MAX_ANSWER_BYTES: Final = 256 * 1024 * 1024
_LONGEST_REASON: Final = 500


class ElasticsearchError(Exception):
    """Elasticsearch did not do what it was asked to."""


class Unreachable(ElasticsearchError):
    """It does not answer, or not now: asking again may help."""


class Refused(ElasticsearchError):
    """It answered with an error: `status` is HTTP's, `kind` Elasticsearch's name of it."""

    def __init__(self, status: int, kind: str, reason: str) -> None:
        super().__init__(f"{status} {kind}: {reason[:_LONGEST_REASON]}")
        self.status: Final = status
        self.kind: Final = kind


class AnswerTooLarge(ElasticsearchError):
    """More than is read of one answer: ask for less."""


class Client:
    """One Elasticsearch; a connection per request, and no proxy.

    Args:
        url: "http://host:port", "https://name:password@host:port".
        authorities: file with the certificates of those who vouch for it; None: those that the system knows, or SSL_CERT_FILE names.
        timeout: seconds for each piece of an exchange.
        max_bytes: bound of one answer.

    Raises:
        ValueError: the address is none.
        OSError: `authorities` cannot be used.
    """

    def __init__(self, url: str, authorities: Path | None = None, *, timeout: float = 10.0, max_bytes: int = _MAX_ANSWER_BYTES) -> None:
        self._address = parse(url)
        self.url: Final = self._address.shown
        """Without name and password."""
        self.answer_bytes = 0
        """Size of the last answer."""
        self._tls = ssl.create_default_context(cafile=authorities) if self._address.encrypted else None
        self._timeout = timeout
        self._max_bytes = max_bytes

    def request(self, method: str, path: str, body: Any = None, *, params: Mapping[str, str] | None = None) -> Any:
        """The decoded answer to one request.

        Raises:
            Unreachable: no connection, no answer in time, no JSON, or 429, 502, 503, 504.
            Refused: any other status from 400 on.
            AnswerTooLarge: the answer is over the bound.
        """
        target = f"{self._address.path}{path}{f'?{urlencode(params)}' if params else ''}"
        connection = self._connection()
        try:
            content = None if body is None else json.dumps(body).encode()
            kind = {} if content is None else {"Content-Type": "application/json"}
            connection.request(method, target, content, {**self._address.headers, **kind})
            response = connection.getresponse()
            answer = response.read(self._max_bytes + 1)
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{self.url} does not answer: {type(error).__name__} {error}") from error
        finally:
            connection.close()
        self.answer_bytes = len(answer)
        if len(answer) > self._max_bytes:
            raise AnswerTooLarge(f"{self.url} answered with more than {self._max_bytes} bytes")
        return self._decoded(response.status, answer)

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._address.host, self._address.port
        if self._tls is None:
            return http.client.HTTPConnection(host, port, timeout=self._timeout)
        return http.client.HTTPSConnection(host, port, timeout=self._timeout, context=self._tls)

    def _decoded(self, status: int, answer: bytes) -> Any:
        try:
            decoded = json.loads(answer)
        except ValueError as error:
            raise Unreachable(f"{self.url} answered {status} without JSON: something else may listen there") from error
        if status in {429, 502, 503, 504}:
            raise Unreachable(f"{self.url} cannot answer now: {status} {_reason(decoded)[1]}")
        if status >= 400:
            raise Refused(status, *_reason(decoded))
        return decoded


def _reason(answer: Any) -> tuple[str, str]:
    """Kind and words of an error body, whatever its shape."""
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, dict):
        return str(error.get("type", "error")), str(error.get("reason", error))
    return "error", str(answer if error is None else error)
