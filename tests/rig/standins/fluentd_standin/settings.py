"""What the stand-in needs of a configuration: where it listens, where it writes, and its limits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from fluentd_standin.conf import ConfError, Section, read, seconds, size


@dataclass(frozen=True)
class OutputSettings:
    """One `@type elasticsearch` output with its file buffer."""

    plugin_id: str
    host: str
    port: int
    encrypted: bool
    user: str
    password: str
    authorities: str
    """File with certificates; empty for those that the system knows."""
    index: str
    """Name with strftime placeholders, filled from the event's own time."""
    id_key: str
    folder: Path
    total_limit: int
    chunk_limit: int
    flush_interval: float
    overflow: str
    retry_wait: float
    retry_longest: float
    request_timeout: float


@dataclass(frozen=True)
class Settings:
    """The whole configuration; `rejected`, the output with the id `dead_letter`, takes what Elasticsearch refuses."""

    forward: tuple[str, int]
    metrics: tuple[str, int]
    metrics_path: str
    monitor: tuple[str, int] | None
    events: OutputSettings
    rejected: OutputSettings | None


def load(path: Path) -> Settings:
    """Settings out of a `fluent.conf`.

    Raises:
        ConfError: malformed, or without an input or an output that this stand-in has.
    """
    root = read(path)
    sources = {section.type: section for section in root.walk() if section.name == "source"}
    for needed in ("forward", "prometheus"):
        if needed not in sources:
            raise ConfError(f"{path} has no <source> with @type {needed}")
    events = _outputs(_label(root, sources["forward"].values.get("@label")))
    refused = [output for output in _outputs(root) if output.values.get("@id") == "dead_letter"]
    if len(events) != 1:
        raise ConfError(f"{path} has {len(events)} elasticsearch outputs where the events go; this stand-in writes to one")
    monitor = sources.get("monitor_agent")
    return Settings(
        forward=_listen(sources["forward"], 24224),
        metrics=_listen(sources["prometheus"], 24231),
        metrics_path=sources["prometheus"].values.get("metrics_path", "/metrics"),
        monitor=_listen(monitor, 24220) if monitor else None,
        events=_output(events[0], "events"),
        rejected=_output(refused[0], "rejected") if refused else None,
    )


def _label(root: Section, name: str | None) -> Section:
    """Where a source sends its events: a label, or what is outside of all labels."""
    if name is None:
        return Section("", sections=[section for section in root.sections if section.name != "label"])
    found = [section for section in root.sections if section.name == "label" and section.argument == name]
    if len(found) != 1:
        raise ConfError(f"there are {len(found)} labels {name}")
    return found[0]


def _outputs(section: Section) -> list[Section]:
    return [inner for inner in section.walk() if inner.name in {"match", "store"} and inner.type == "elasticsearch"]


def _listen(source: Section, port: int) -> tuple[str, int]:
    bind = source.values.get("bind", "0.0.0.0")  # noqa: S104  # Fluentd's default
    return bind, int(source.values.get("port", port))


def _output(section: Section, name: str) -> OutputSettings:
    values, buffer = section.values, section.child("buffer").values
    if buffer.get("@type") != "file" or "path" not in buffer:
        raise ConfError(f"the buffer of <{section.name} {section.argument}> is not a file buffer with a path")
    if values.get("logstash_format") == "true":
        index = f"{values.get('logstash_prefix', 'logstash')}{values.get('logstash_prefix_separator', '-')}"
        index += values.get("logstash_dateformat", "%Y.%m.%d")
    else:
        index = values["index_name"]
    url = values.get("hosts", "").split(",")[0] or f"http://{values.get('host', 'localhost')}:{values.get('port', '9200')}"
    address = urlsplit(url if "://" in url else f"http://{url}")
    return OutputSettings(
        plugin_id=values.get("@id", f"object:{name}"),
        host=address.hostname or "localhost",
        port=address.port or 9200,
        encrypted=address.scheme == "https",
        user=values.get("user", ""),
        password=values.get("password", ""),
        authorities=values.get("ca_file", ""),
        index=index,
        id_key=values.get("id_key", "").removeprefix("$").strip("[].'\""),
        folder=Path(buffer["path"]),
        total_limit=size(buffer.get("total_limit_size", "64g")),
        chunk_limit=size(buffer.get("chunk_limit_size", "256m")),
        flush_interval=seconds(buffer.get("flush_interval", "60s")),
        overflow=buffer.get("overflow_action", "throw_exception"),
        retry_wait=seconds(buffer.get("retry_wait", "1s")),
        retry_longest=seconds(buffer.get("retry_max_interval", "1h")),
        request_timeout=seconds(values.get("request_timeout", "5s")),
    )
