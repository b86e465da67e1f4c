"""A model service as an HTTP client sees it: one connection, JSON in and out."""

from __future__ import annotations

import http.client
import json
import select
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from mlsandbox.errors import FeedbackRefused, NotRunning, PredictionFailed
from mlsandbox_serving.contract import ENVELOPES, Header, Route

TIMEOUT_SECONDS: Final = 60.0
_JSON: Final = {"content-type": "application/json"}
_UNAUTHORIZED: Final = http.HTTPStatus.UNAUTHORIZED
_WITH_KEY: Final = "set SANDBOX_API_KEY to a key that the service knows, or unset it   which there are: sandbox keys list"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered."""

    status: int
    body: Any
    """Parsed JSON; the text when it is none."""
    seconds: float


class Endpoint:
    """One service at one address."""

    def __init__(self, url: str, *, timeout: float | None = None, origin: str | None = None, key: str | None = None) -> None:
        """Connect at the first request.

        Args:
            url: "http://127.0.0.1:7310".
            timeout: seconds for one answer; None: TIMEOUT_SECONDS.
            origin: `contract.Origin` of the rows, when nobody means them.
            key: API key, for a service that asks for one.
        """
        self.url = url
        self._keyed = {} if key is None else {Header.API_KEY: key}
        self._headers = {**_JSON, **self._keyed, **({} if origin is None else {Header.ORIGIN: origin})}
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout or TIMEOUT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._connection.close()

    def predict(self, body: object) -> Answer:
        """Ask for predictions.

        Args:
            body: one row, `{"rows": […]}` or `{"columns": {…}}`; text is sent as it is.

        Raises:
            PredictionFailed: the service refused or failed; `details` holds its status and answer.
            NotRunning: nobody answers.
        """
        answer = self._send("POST", Route.PREDICT, body if isinstance(body, str) else json.dumps(body, ensure_ascii=False))
        if answer.status == http.HTTPStatus.OK:
            return answer
        what, why, details = _refusal(answer)
        fix = _WITH_KEY if answer.status == _UNAUTHORIZED else f"compare with what the model takes: curl {self.url}{Route.SCHEMA}"
        raise PredictionFailed(what, why=why, fix=fix, details=details)

    def feedback(self, labels: Sequence[Mapping[str, object]]) -> Answer:
        """Hand in labels, all or none: `{"request_id", "row", "label"}` each.

        Raises:
            FeedbackRefused: the service does not take them; `details` holds its status and answer.
            NotRunning: nobody answers.
        """
        answer = self._send("POST", Route.FEEDBACK, json.dumps({"labels": labels}))
        if answer.status == http.HTTPStatus.ACCEPTED:
            return answer
        what, why, details = _refusal(answer)
        fix = _WITH_KEY if answer.status == _UNAUTHORIZED else "see how the service is: sandbox status"
        raise FeedbackRefused(what, why=why, fix=fix, details=details)

    def schema(self) -> Mapping[str, Any]:
        """The model's signature, schema.json.

        Raises:
            NotRunning: nobody answers, or not with a schema.
        """
        answer = self._send("GET", Route.SCHEMA, None)
        if answer.status != http.HTTPStatus.OK or not isinstance(answer.body, dict):
            fix = _WITH_KEY if answer.status == _UNAUTHORIZED else "look at it: sandbox status"
            raise NotRunning(f"{self.url}{Route.SCHEMA} answered {answer.status}", why=str(answer.body), fix=fix)
        return answer.body

    def _send(self, method: str, path: str, text: str | None) -> Answer:
        began = time.perf_counter()
        self._forget_closed()
        try:
            self._connection.request(
                method, path, None if text is None else text.encode(), self._headers if text is not None else self._keyed
            )
            response = self._connection.getresponse()
            raw = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise NotRunning(
                f"{self.url} does not answer",
                why=f"{type(error).__name__}: {error}",
                fix="look at it: sandbox status   or start it: sandbox up",
            ) from error
        try:
            body = json.loads(raw)
        except (ValueError, RecursionError):
            body = raw.decode("utf-8", "replace")
        return Answer(response.status, body, time.perf_counter() - began)

    def _forget_closed(self) -> None:
        """Connect anew when the service has closed the connection meanwhile, as it does when it hears nothing for some seconds."""
        if self._connection.sock is not None and select.select([self._connection.sock], [], [], 0)[0]:
            self._connection.close()


def _refusal(answer: Answer) -> tuple[str, str, dict[str, object]]:
    """What was answered, why, and all of it."""
    told = answer.body.get("error") if isinstance(answer.body, dict) else None
    error = told if isinstance(told, dict) else {}
    what = f"the endpoint answered {answer.status} {error.get('code', '')}".rstrip()
    return what, str(error.get("message") or answer.body), {"status": answer.status, **error}


def request_of(row: Mapping[str, object]) -> Mapping[str, object]:
    """A row as a request: as it is, or in the envelope when a column has the envelope's name."""
    return {"rows": [row]} if row.keys() & set(ENVELOPES) else row


def curl_line(url: str, body: object, key: str | None = None) -> str:
    """The same request as one line for a shell.

    Args:
        url: "http://127.0.0.1:7310".
        body: as for `predict`.
        key: how a shell finds the API key, between double quotes: "$SANDBOX_API_KEY".
    """
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    keyed = "" if key is None else f' -H "{Header.API_KEY}: {key}"'
    return f"curl -s {url}{Route.PREDICT} -H {shlex.quote('content-type: application/json')}{keyed} -d {shlex.quote(text)}"
