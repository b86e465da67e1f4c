"""Pipeline: the way of events from a model service to the store, and the health of what watches it."""

from __future__ import annotations

from typing import Final

from dashboards import variables
from dashboards.frame import Json, Row
from dashboards.frame import dashboard as frame
from dashboards.metrics import Alertmanager, Elasticsearch, Fluentd, Prometheus
from dashboards.panels import NO_DATA, Target, stat, state_timeline, time_series
from dashboards.promql import Selectors, grown, largest, rate, share, total
from dashboards.reach import unreachable
from mlsandbox_serving.contract import Metrics

_VARIABLES: Final = (variables.data_source(), *variables.targets(Prometheus.UP))
_of = Selectors([each["name"] for each in _VARIABLES])
_NO_EVENTS: Final = "No events"
_NO_FLUENTD: Final = "No Fluentd in this stack, or no data yet"
_NO_ELASTICSEARCH: Final = "No Elasticsearch in this stack, or no data yet"
_NO_LOG_STORE: Final = "No embedded log store in this stack, or no data yet"
_SINK: Final = "{{model}} to {{sink}}"
_OUTPUT: Final = "{{plugin_id}}"


def dashboard() -> Json:
    """The dashboard."""
    return frame(
        "pipeline",
        "Sandbox / Pipeline",
        "Events from the model services to their store, and the health of Fluentd, Elasticsearch, Prometheus and Alertmanager.",
        _VARIABLES,
        (_now(), _spool(), _log_store(), _fluentd(), _elasticsearch(), _watch()),
    )


def _now() -> Row:
    dropped = grown(_of(Metrics.EVENTS_DROPPED))
    return Row(
        "Now",
        (
            stat(
                "Written",
                "Events written to the spool per second.",
                "cps",
                Target(total(rate(_of(Metrics.EVENTS_WRITTEN)))),
                empty=_NO_EVENTS,
                width=4,
            ),
            stat(
                "Delivered",
                "Events acknowledged by a store per second.",
                "cps",
                Target(total(rate(_of(Metrics.EVENTS_SHIPPED)))),
                empty=_NO_EVENTS,
                width=4,
            ),
            stat(
                "Waiting",
                "Bytes of events that a store has not acknowledged yet.",
                "bytes",
                Target(total(_of(Metrics.SPOOL_PENDING_BYTES))),
                empty=_NO_EVENTS,
                width=4,
            ),
            stat(
                "Lost",
                "Events that were dropped before a store acknowledged them, over the time that is shown.",
                "short",
                Target(f"{dropped} or vector(0)", instant=True),
                limits={1: "red"},
                empty=_NO_EVENTS,
                width=4,
            ),
            unreachable(_of(Prometheus.UP), width=4),
            stat(
                "Active alerts",
                "Alerts that Alertmanager knows and nobody has silenced.",
                "short",
                Target(total(_of(Alertmanager.ALERTS, state="active")), instant=True),
                limits={1: "orange"},
                empty=NO_DATA,
                width=4,
            ),
        ),
    )


def _spool() -> Row:
    written = total(rate(_of(Metrics.EVENTS_WRITTEN)), "model")
    lost = total(rate(_of(Metrics.EVENTS_DROPPED)), "model, reason")
    return Row(
        "Spool and shipper",
        (
            time_series(
                "Written and delivered",
                "Events per second that the model services wrote, and that each store acknowledged.",
                "cps",
                Target(written, "{{model}} written"),
                Target(total(rate(_of(Metrics.EVENTS_SHIPPED)), "model, sink"), _SINK),
                empty=_NO_EVENTS,
            ),
            time_series(
                "Waiting",
                "Bytes of events that a store has not acknowledged yet; it grows while a store is away.",
                "bytes",
                Target(total(_of(Metrics.SPOOL_PENDING_BYTES), "model, sink"), _SINK),
                empty=_NO_EVENTS,
            ),
            time_series(
                "Spool",
                "Bytes of the spool on disk.",
                "bytes",
                Target(total(_of(Metrics.SPOOL_BYTES), "model"), "{{model}}"),
                empty=_NO_EVENTS,
                width=8,
            ),
            time_series(
                "Failed deliveries",
                "Deliveries per second that failed; the events stay in the spool and are sent again.",
                "cps",
                Target(total(rate(_of(Metrics.SHIP_FAILURES)), "model, sink"), _SINK),
                empty=_NO_EVENTS,
                width=8,
            ),
            time_series(
                "Lost",
                "Events per second that were dropped before a store acknowledged them.",
                "cps",
                Target(f"{lost} or 0 * {written}", "{{model}} {{reason}}"),
                empty=_NO_EVENTS,
                width=8,
            ),
        ),
    )


def _log_store() -> Row:
    return Row(
        "Log store (embedded, or profile lite)",
        (
            time_series(
                "Stored",
                "Events per second by what became of them; a duplicate was stored before.",
                "cps",
                Target(total(rate(_of(Metrics.LOG_STORE_EVENTS)), "result"), "{{result}}"),
                empty=_NO_LOG_STORE,
                width=8,
            ),
            time_series(
                "Size",
                "Bytes of the store on disk.",
                "bytes",
                Target(total(_of(Metrics.LOG_STORE_BYTES)), "size"),
                empty=_NO_LOG_STORE,
                width=8,
            ),
            time_series(
                "Databases begun anew",
                "Databases per second that were found damaged and moved aside.",
                "cps",
                Target(total(rate(_of(Metrics.LOG_STORE_CORRUPTIONS))), "begun anew"),
                empty=_NO_LOG_STORE,
                width=8,
            ),
        ),
    )


def _fluentd() -> Row:
    return Row(
        "Fluentd",
        (
            time_series(
                "Records",
                "Records per second given to each output.",
                "cps",
                Target(total(rate(_of(Fluentd.RECORDS)), "plugin_id"), _OUTPUT),
                empty=_NO_FLUENTD,
                width=8,
            ),
            time_series(
                "Buffer",
                "Bytes that wait in each output's buffer.",
                "bytes",
                Target(total(_of(Fluentd.BUFFER_BYTES), "plugin_id"), _OUTPUT),
                empty=_NO_FLUENTD,
                width=8,
            ),
            time_series(
                "Free buffer",
                "Share of each output's buffer that is free; at 0 Fluentd takes no more, and events wait in the spool.",
                "percent",
                Target(f"min by (plugin_id) ({_of(Fluentd.BUFFER_FREE)})", _OUTPUT),
                empty=_NO_FLUENTD,
                width=8,
            ),
            time_series(
                "Queue",
                "Chunks that wait to be written.",
                "short",
                Target(total(_of(Fluentd.BUFFER_QUEUE), "plugin_id"), _OUTPUT),
                empty=_NO_FLUENTD,
                width=8,
            ),
            time_series(
                "Writes",
                "Chunks written per second.",
                "cps",
                Target(total(rate(_of(Fluentd.WRITES)), "plugin_id"), _OUTPUT),
                empty=_NO_FLUENTD,
                width=8,
            ),
            time_series(
                "Errors and retries",
                "Writes per second that failed, and that were tried again.",
                "cps",
                Target(total(rate(_of(Fluentd.ERRORS)), "plugin_id"), f"{_OUTPUT} errors"),
                Target(total(rate(_of(Fluentd.RETRIES)), "plugin_id"), f"{_OUTPUT} retries"),
                empty=_NO_FLUENTD,
                width=8,
            ),
        ),
    )


def _elasticsearch() -> Row:
    free, size = _of(Elasticsearch.DISK_FREE_BYTES), _of(Elasticsearch.DISK_BYTES)
    heap, heap_max = _of(Elasticsearch.HEAP_BYTES, area="heap"), _of(Elasticsearch.HEAP_MAX_BYTES, area="heap")
    return Row(
        "Elasticsearch",
        (
            state_timeline(
                "Health",
                "Green: all is well. Yellow: a copy is missing. Red: data is missing.",
                ("red", "yellow", "green"),
                ("red", "yellow", "green"),
                Target(
                    f"2 * max({_of(Elasticsearch.HEALTH, color='green')}) + max({_of(Elasticsearch.HEALTH, color='yellow')})",
                    "health",
                ),
                empty=_NO_ELASTICSEARCH,
                width=8,
            ),
            time_series(
                "Indexed",
                "Documents indexed per second.",
                "cps",
                Target(total(rate(_of(Elasticsearch.INDEXED))), "indexed"),
                empty=_NO_ELASTICSEARCH,
                width=8,
            ),
            time_series(
                "Rejected",
                "Work per second that Elasticsearch turned away because its queue was full.",
                "cps",
                Target(total(rate(_of(Elasticsearch.REJECTED)), "type"), "{{type}}"),
                empty=_NO_ELASTICSEARCH,
                width=8,
            ),
            time_series(
                "Documents",
                "Documents in all indices.",
                "short",
                Target(total(_of(Elasticsearch.DOCS)), "documents"),
                empty=_NO_ELASTICSEARCH,
                width=6,
            ),
            time_series(
                "Size",
                "Bytes of all indices.",
                "bytes",
                Target(total(_of(Elasticsearch.STORE_BYTES)), "indices"),
                empty=_NO_ELASTICSEARCH,
                width=6,
            ),
            time_series(
                "Disk in use",
                "Share of Elasticsearch's disk that is in use; with less than 500 MB free it takes no more events.",
                "percentunit",
                Target(f"1 - {total(free)} / {total(size)}", "disk"),
                empty=_NO_ELASTICSEARCH,
                width=6,
            ),
            time_series(
                "Heap in use",
                "Share of Elasticsearch's heap that is in use.",
                "percentunit",
                Target(f"{total(heap)} / {total(heap_max)}", "heap"),
                empty=_NO_ELASTICSEARCH,
                width=6,
            ),
        ),
    )


def _watch() -> Row:
    failed, sent = total(rate(_of(Alertmanager.FAILED))), total(rate(_of(Alertmanager.SENT)))
    return Row(
        "Prometheus and Alertmanager",
        (
            state_timeline(
                "Targets",
                "Whether Prometheus could read each service's metrics.",
                ("unreachable", "reachable"),
                ("red", "green"),
                Target(largest(_of(Prometheus.UP), "instance"), "{{instance}}"),
                empty=NO_DATA,
                width=12,
            ),
            time_series(
                "Time of a scrape",
                "How long Prometheus took to read each service's metrics.",
                "s",
                Target(largest(_of(Prometheus.SCRAPE_SECONDS), "instance"), "{{instance}}"),
                empty=NO_DATA,
            ),
            time_series(
                "Samples of a scrape",
                "Samples that each service shows.",
                "short",
                Target(largest(_of(Prometheus.SCRAPE_SAMPLES), "instance"), "{{instance}}"),
                empty=NO_DATA,
                width=8,
            ),
            time_series(
                "Series",
                "Series that Prometheus holds in memory.",
                "short",
                Target(total(_of(Prometheus.SERIES)), "series"),
                empty=NO_DATA,
                width=8,
            ),
            time_series(
                "Stored",
                "Bytes of what Prometheus has written to disk.",
                "bytes",
                Target(total(_of(Prometheus.STORED)), "blocks"),
                empty=NO_DATA,
                width=8,
            ),
            time_series(
                "Failed rules",
                "Rules per second that could not be evaluated.",
                "cps",
                Target(total(rate(_of(Prometheus.RULE_FAILURES))), "failed"),
                empty=NO_DATA,
                width=8,
            ),
            time_series(
                "Alerts",
                "Alerts that Alertmanager knows, by their state.",
                "short",
                Target(total(_of(Alertmanager.ALERTS), "state"), "{{state}}"),
                empty=NO_DATA,
                width=8,
            ),
            time_series(
                "Failed notifications",
                "Share of Alertmanager's notifications that could not be delivered.",
                "percentunit",
                Target(share(failed, sent), "failed"),
                empty="No notifications",
                width=8,
            ),
        ),
    )
