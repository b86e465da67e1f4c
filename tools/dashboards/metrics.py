"""Metrics that dashboards query and the contract does not hold: those of other programs.

The type says how a metric behaves, which is what a query must respect: Fluentd's plugin declares all of its own as gauges, and
those that only ever grow are counters here.
"""

from __future__ import annotations

from typing import Final

from mlsandbox_serving.contract import Metric

_PLUGIN: Final = ("plugin_id", "type")


class Prometheus:
    """Of Prometheus itself, and what it adds to every target."""

    UP: Final = Metric("up", "gauge", "1 when the last scrape of a target worked.")
    SCRAPE_SECONDS: Final = Metric("scrape_duration_seconds", "gauge", "How long the last scrape took.")
    SCRAPE_SAMPLES: Final = Metric("scrape_samples_scraped", "gauge", "Samples in the last scrape.")
    SERIES: Final = Metric("prometheus_tsdb_head_series", "gauge", "Series in memory.")
    STORED: Final = Metric("prometheus_tsdb_storage_blocks_bytes", "gauge", "Bytes of the blocks on disk.")
    RULE_FAILURES: Final = Metric("prometheus_rule_evaluation_failures_total", "counter", "Rules that could not be evaluated.")


class Process:
    """Of the processes of most programs."""

    CPU_SECONDS: Final = Metric("process_cpu_seconds_total", "counter", "Processor time.")
    MEMORY_BYTES: Final = Metric("process_resident_memory_bytes", "gauge", "Memory in use.")
    OPEN_FILES: Final = Metric("process_open_fds", "gauge", "Open file descriptors.")
    START_SECONDS: Final = Metric("process_start_time_seconds", "gauge", "Unix time of its start.")


class Recorded:
    """What Prometheus's rules record (`prometheus/rules/recording.yml`)."""

    MEMORY_RATIO: Final = Metric("instance:sandbox_memory:ratio", "gauge", "Share of its memory limit that a service uses.")


class Alertmanager:
    """Of Alertmanager."""

    ALERTS: Final = Metric("alertmanager_alerts", "gauge", "Alerts by state.", ("state",))
    SENT: Final = Metric("alertmanager_notifications_total", "counter", "Notifications tried.", ("integration",))
    FAILED: Final = Metric("alertmanager_notifications_failed_total", "counter", "Notifications that failed.", ("integration",))


class Fluentd:
    """Of Fluentd's outputs: fluent-plugin-prometheus, `prometheus_output_monitor`."""

    RECORDS: Final = Metric("fluentd_output_status_emit_records", "counter", "Records given to an output.", _PLUGIN)
    WRITES: Final = Metric("fluentd_output_status_write_count", "counter", "Chunks written.", _PLUGIN)
    ERRORS: Final = Metric("fluentd_output_status_num_errors", "counter", "Writes that failed.", _PLUGIN)
    RETRIES: Final = Metric("fluentd_output_status_retry_count", "counter", "Writes tried again.", _PLUGIN)
    BUFFER_BYTES: Final = Metric("fluentd_output_status_buffer_total_bytes", "gauge", "Bytes in the buffer.", _PLUGIN)
    BUFFER_QUEUE: Final = Metric("fluentd_output_status_buffer_queue_length", "gauge", "Chunks waiting to be written.", _PLUGIN)
    BUFFER_FREE: Final = Metric("fluentd_output_status_buffer_available_space_ratio", "gauge", "Free share of it, in percent.", _PLUGIN)


class Elasticsearch:
    """Of the Elasticsearch exporter."""

    HEALTH: Final = Metric("elasticsearch_cluster_health_status", "gauge", "1 for the colour that it has.", ("color",))
    DOCS: Final = Metric("elasticsearch_indices_docs", "gauge", "Documents.")
    STORE_BYTES: Final = Metric("elasticsearch_indices_store_size_bytes", "gauge", "Bytes of the indices.")
    INDEXED: Final = Metric("elasticsearch_indices_indexing_index_total", "counter", "Documents indexed.")
    REJECTED: Final = Metric("elasticsearch_thread_pool_rejected_count", "counter", "Work turned away.", ("type",))
    DISK_FREE_BYTES: Final = Metric("elasticsearch_filesystem_data_available_bytes", "gauge", "Free bytes of its disk.")
    DISK_BYTES: Final = Metric("elasticsearch_filesystem_data_size_bytes", "gauge", "Size of its disk.")
    HEAP_BYTES: Final = Metric("elasticsearch_jvm_memory_used_bytes", "gauge", "Heap in use.", ("area",))
    HEAP_MAX_BYTES: Final = Metric("elasticsearch_jvm_memory_max_bytes", "gauge", "Heap that may be used.", ("area",))


def other_metrics() -> tuple[Metric, ...]:
    """All of the above."""
    groups = (Prometheus, Process, Recorded, Alertmanager, Fluentd, Elasticsearch)
    return tuple(value for group in groups for value in vars(group).values() if isinstance(value, Metric))
