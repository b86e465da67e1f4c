"""What the environment says about a model service."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlsandbox_serving.contract import Env


class SettingInvalid(ValueError):
    """A variable has a value that cannot be meant; the text names it."""


@dataclass(frozen=True)
class Settings:
    """Settings of one worker. Every one has a default with which a package also runs under a plain `bentoml serve`."""

    stack_id: str = ""
    """Nonce of the `up` that started this service; echoed by /readyz."""
    spool: Path | None = None
    """Folder of the event spool; without one no events are kept."""
    spool_bytes: int = 1_000_000_000
    """Bound of the spool."""
    metrics: Path | None = None
    """Folder in which the workers share their metrics; without one a temporary folder of this worker alone."""
    workers: int = 1
    """Worker processes of the service."""
    log_inputs: bool = True
    """Whether events hold input values."""
    max_rows_per_event: int = 1_000
    """Rows past this number are left out of an event, which is marked as truncated."""
    max_body: int = 10_000_000
    """Bytes of a request's body."""
    max_rows: int = 100_000
    """Rows of a request."""
    timeout: float = 30.0
    """Seconds for one request, from its first byte to its answer."""
    max_concurrency: int = 256
    """Requests at once, of all workers together."""
    api_keys_file: Path | None = None
    """Holds the keys that may ask; without it everybody may."""
    local_names: bool = False
    """Whether only requests are answered that name an address, or a host without a domain: a page of another site whose name leads here
    could ask as if it were of this service (DNS rebinding)."""
    hash_key_file: Path | None = None
    """Holds the key for `hashed` columns."""
    traffic_file: Path | None = None
    """Says whether this version has a challenger; without it none has."""
    traffic_key_file: Path | None = None
    """Holds the key by which versions know each other; without it there is no challenger either."""

    @property
    def requests_per_worker(self) -> int:
        """This worker's part of `max_concurrency`, rounded up."""
        return -(-self.max_concurrency // self.workers)

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Settings:
        """Read the SANDBOX_* variables.

        Raises:
            SettingInvalid: one of them has a value that cannot be meant.
        """
        return cls(
            stack_id=environ.get(Env.STACK_ID, ""),
            spool=_path(environ, Env.SPOOL_DIR),
            spool_bytes=_number(environ, Env.SPOOL_BYTES, cls.spool_bytes),
            metrics=_path(environ, Env.METRICS_DIR),
            workers=_number(environ, Env.WORKERS, cls.workers),
            log_inputs=_flag(environ, Env.LOG_INPUTS, default=cls.log_inputs),
            max_rows_per_event=_number(environ, Env.MAX_ROWS_PER_EVENT, cls.max_rows_per_event),
            max_body=_number(environ, Env.MAX_BODY_BYTES, cls.max_body),
            max_rows=_number(environ, Env.MAX_ROWS, cls.max_rows),
            timeout=_seconds(environ, Env.TIMEOUT_SECONDS, cls.timeout),
            max_concurrency=_number(environ, Env.MAX_CONCURRENCY, cls.max_concurrency),
            api_keys_file=_path(environ, Env.API_KEYS_FILE),
            local_names=_flag(environ, Env.LOCAL_NAMES, default=cls.local_names),
            hash_key_file=_path(environ, Env.HASH_KEY_FILE),
            traffic_file=_path(environ, Env.TRAFFIC_FILE),
            traffic_key_file=_path(environ, Env.TRAFFIC_KEY_FILE),
        )


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    return Path(environ[name]) if environ.get(name) else None


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name)
    if not text:
        return default
    if not text.isdecimal() or int(text) == 0:
        raise SettingInvalid(f"{name} is {text!r}, not a whole number above 0")
    return int(text)


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name)
    if not text:
        return default
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text) or float(text) == 0:
        raise SettingInvalid(f"{name} is {text!r}, not a number of seconds above 0")
    return float(text)


def _flag(environ: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = environ.get(name)
    if not text:
        return default
    if text not in {"0", "1"}:
        raise SettingInvalid(f"{name} is {text!r}, not 0 or 1")
    return text == "1"
