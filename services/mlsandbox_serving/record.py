"""Events: what is written about each request, and what of it never is. Those of predictions are made in `prediction_events`.

Columns marked private are left out, hashed ones replaced by a keyed hash, here and nowhere else: what leaves this module may be
written. With columns of either kind, or without logged inputs, texts that a model made of its input (exception messages) stay out too.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from mlsandbox_serving.contract import ECS_VERSION, Dataset, Field
from mlsandbox_serving.shown import spelled

_HASH_BYTES: Final = 16
LONGEST_PATH: Final = 256
_LONGEST_STACK: Final = 20_000
_LONGEST_MESSAGE: Final = 2_000
_LONGEST_TEXT: Final = 2_000
"""Characters of what one exception says."""
_MOST_CAUSES: Final = 10
_MOST_FRAMES: Final = 100
_FRAMES_BEGIN: Final = "Traceback (most recent call last):"
_TYPE: Final = type.__dict__
REPEATED_CLASSES: Final = 100
"""More classes are not repeated in each event, unless it has as many probabilities."""
_RANDOM_BYTES: Final = 10
_IDS_AT_ONCE: Final = 256
_ids: Final[list[str]] = []
"""Made and not given away yet; `pop` gives none to two threads."""
os.register_at_fork(after_in_child=_ids.clear)  # those are the parent's


@dataclass(frozen=True, slots=True)
class Identity:
    """What is being served."""

    model: str
    version: str
    digest: str


@dataclass(frozen=True, slots=True)
class Facts:
    """One request, as far as it is known before its body is read.

    Args:
        method: HTTP method.
        path: without the query.
        request_id: the client's, or one made here.
        trace_id: of the client's W3C traceparent; None without one.
        started: time.perf_counter_ns() at its first byte.
        timestamp: epoch seconds at its first byte.
        origin: `contract.Origin` of a request that `sandbox` made itself; None of any other.
    """

    method: str
    path: str
    request_id: str
    trace_id: str | None = None
    started: int = field(default_factory=time.perf_counter_ns)
    timestamp: float = field(default_factory=time.time)
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Privacy:
    """Which input values may be written.

    Args:
        private: columns that are never written.
        hashed: columns that are written as a keyed hash.
        key: of that hash.
        inputs: whether inputs are written at all.
    """

    private: frozenset[str] = frozenset()
    hashed: frozenset[str] = frozenset()
    key: bytes = b""
    inputs: bool = True

    @property
    def guarded(self) -> frozenset[str]:
        """The columns whose values leave the process in no text, neither into a log nor into an answer."""
        return self.private | self.hashed

    @property
    def texts(self) -> bool:
        """Whether texts that may repeat input values, such as exception messages, may be written."""
        return self.inputs and not self.guarded

    def visible(self, names: Iterable[str]) -> frozenset[str]:
        """The columns whose values may stand in a message."""
        return frozenset(names) - self.guarded if self.inputs else frozenset()

    def protected(self, columns: Mapping[str, list[Any]], rows: int) -> dict[str, list[Any]]:
        """The first `rows` rows as they may be written."""
        kept = {name: values[:rows] for name, values in columns.items() if name not in self.private}
        return {name: [self._hash(value) for value in values] if name in self.hashed else values for name, values in kept.items()}

    def _hash(self, value: Any) -> str | None:
        if value is None:
            return None
        text = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")
        return hashlib.blake2b(text, key=self.key[: hashlib.blake2b.MAX_KEY_SIZE], digest_size=_HASH_BYTES).hexdigest()


@dataclass(frozen=True, slots=True)
class Label:
    """What a prediction should have been.

    Args:
        request_id: of the request that was answered with the prediction.
        row: of that request, from 0.
        value: a class or a number.
    """

    request_id: str
    row: int
    value: str | float | bool


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request was not answered with a prediction, in words that may be written."""

    status: int
    code: str
    message: str
    stack: str | None = None


def feedback_events(identity: Identity, facts: Facts, labels: Sequence[Label]) -> list[dict[str, Any]]:
    """The events of labels that came with one request, one for each, in their order."""
    return [
        {
            **_common(identity, facts, Dataset.FEEDBACK, "success", 202),
            Field.EVENT_SEQUENCE: place,
            Field.REQUEST_ID: label.request_id,
            Field.FEEDBACK_ROW: label.row,
            Field.FEEDBACK_LABEL: label.value,
        }
        for place, label in enumerate(labels)
    ]


def error_event(identity: Identity, facts: Facts, failure: Failure) -> dict[str, Any]:
    """The event of a request that was refused or failed."""
    event = _common(identity, facts, Dataset.ERROR, "failure", failure.status)
    event[Field.ERROR_CODE] = failure.code
    event[Field.ERROR_MESSAGE] = failure.message[:_LONGEST_MESSAGE]
    if failure.stack is not None:
        event[Field.ERROR_STACK] = failure.stack[-_LONGEST_STACK:]
    return event


def new_id() -> str:
    """An id for a request or an event: 32 hexadecimal digits, no two alike in any process, and none to be guessed.

    12 digits are the milliseconds since 1970 when it was made, which may be long before it is given away, 20 are random bits of the
    system: stores keep ids sorted, and those of one time belong side by side (RFC 9562 has its UUIDs of version 7 for that reason).
    Asking the system costs more than the rest, so it is asked for many at a time.
    """
    while True:
        try:
            return _ids.pop()
        except IndexError:
            made = f"{time.time_ns() // 1_000_000:012x}"
            digits = os.urandom(_IDS_AT_ONCE * _RANDOM_BYTES).hex()
            _ids.extend(made + digits[start : start + 2 * _RANDOM_BYTES] for start in range(0, len(digits), 2 * _RANDOM_BYTES))


def id_key(name: str) -> bytes:
    """16 bytes that stand for an event's id where many are kept: the id itself when `new_id` made it, so that they sort alike.

    Of any other id a hash.
    """
    try:
        key = bytes.fromhex(name)
    except ValueError:
        key = b""
    return key if len(key) == 16 and key.hex() == name else hashlib.blake2b(name.encode(), digest_size=16).digest()


def described(error: BaseException, *, texts: bool) -> str:
    """An exception's name and, when texts may be written, its message, in one line."""
    name = _name_of(error, whole=False)
    text = " ".join(_message(error).split()) if texts else ""
    return f"{name}: {text}" if text else name


def stack_trace(error: BaseException, *, texts: bool) -> str:
    """An exception's traceback; without `texts` the frames and the exceptions' names alone, since messages repeat values.

    Made here, and not by `traceback`: what a model raises may be of any size, fail when it is asked for its text, and hold what looks
    like lines of a log. Lines of messages are indented, so that only ours begin at the margin.
    """
    parts: list[str] = []
    current: BaseException | None = error
    while current is not None and len(parts) < _MOST_CAUSES:
        parts.append(f"{_FRAMES_BEGIN}\n{_frames(current)}{_ended(current, texts=texts)}\n")
        cause = _own(current, "__cause__")
        current = cause or (None if _own(current, "__suppress_context__") else _own(current, "__context__"))
    return spelled("\n".join(reversed(parts)))


def _ended(error: BaseException, *, texts: bool) -> str:
    """The last lines of one exception's traceback: name, message and notes, and the exceptions that it groups."""
    name = _name_of(error, whole=True)
    lines = [f"{name}: {_message(error)}" if texts else f"{name} (message not logged)"]
    if texts:
        lines += _notes(error)
    if isinstance(error, BaseExceptionGroup):
        grouped: tuple[BaseException, ...] = BaseExceptionGroup.exceptions.__get__(error)
        lines += [f"of which: {_name_of(one, whole=True)}{f': {_message(one)}' if texts else ''}" for one in grouped[:_MOST_CAUSES]]
    return "\n    ".join("\n".join(lines).splitlines())


def _message(error: BaseException) -> str:
    """What an exception says of itself, cut; whatever happens when it is asked."""
    try:
        return _plain(str(error))
    except BaseException as failure:  # noqa: BLE001 - also SystemExit, which would end the thread of the model
        return f"(asked for its message it raised {_name_of(failure, whole=False)})"


def _notes(error: BaseException) -> list[str]:
    try:
        notes: list[Any] = list(error.__notes__)[:_MOST_CAUSES]
        return [_plain(note) for note in notes if isinstance(note, str)]
    except BaseException:  # noqa: BLE001 - most have none, and an exception of a model may have anything in their place
        return []


def _frames(error: BaseException) -> str:
    try:
        return "".join(traceback.format_tb(_own(error, "__traceback__"), limit=-_MOST_FRAMES))
    except Exception:  # noqa: BLE001 - the text of a line comes from whatever loaded the module
        return "  (its frames cannot be shown)\n"


def _name_of(error: BaseException, *, whole: bool) -> str:
    """The name of an exception's class, with its module when it is `whole`; not asked of the class, which may answer anything."""
    kind = type(error)
    name = _plain(_TYPE["__qualname__" if whole else "__name__"].__get__(kind))
    module = _TYPE["__module__"].__get__(kind) if whole else None
    return " ".join((f"{_plain(module)}.{name}" if isinstance(module, str) else name).split())


def _own(error: BaseException, name: str) -> Any:
    """An attribute as Python itself knows it, whatever a class made of it."""
    return BaseException.__dict__[name].__get__(error)


def _plain(text: str) -> str:
    """The text, cut before anything else is done with it, and as no class of its own."""
    return spelled(str.__getitem__(text, slice(_LONGEST_TEXT)))


def instant(timestamp: float) -> str:
    """Epoch seconds as an event's `@timestamp`."""
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _common(identity: Identity, facts: Facts, dataset: str, outcome: str, status: int) -> dict[str, Any]:
    event: dict[str, Any] = {
        Field.TIMESTAMP: instant(facts.timestamp),
        Field.ECS_VERSION: ECS_VERSION,
        Field.EVENT_ID: new_id(),
        Field.EVENT_KIND: "event",
        Field.EVENT_DATASET: dataset,
        Field.EVENT_OUTCOME: outcome,
        Field.EVENT_DURATION: time.perf_counter_ns() - facts.started,
        Field.SERVICE_NAME: identity.model,
        Field.SERVICE_VERSION: identity.version,
        Field.REQUEST_ID: facts.request_id,
        Field.METHOD: facts.method,
        Field.STATUS: status,
        Field.PATH: facts.path[:LONGEST_PATH],
        Field.MODEL: identity.model,
        Field.VERSION: identity.version,
        Field.DIGEST: identity.digest,
    }
    if facts.trace_id is not None:
        event[Field.TRACE_ID] = facts.trace_id
    if facts.origin is not None:
        event[Field.ORIGIN] = facts.origin
    return event
