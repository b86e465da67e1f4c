"""Health and statistics, in the shape that Elasticsearch gives them; what a Python program cannot know is zero."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

from elasticsearch_standin.mapping import Json
from elasticsearch_standin.store import Store

NODE = "standin-node-000000001"
VERSION = "8.19.0"


@dataclass
class Counters:
    """What was done since the start."""

    started: float = field(default_factory=time.time)
    indexed: int = 0
    failed: int = 0
    deleted: int = 0
    searched: int = 0
    fetched: int = 0
    index_seconds: float = 0.0
    search_seconds: float = 0.0


def info(name: str) -> Json:
    return {
        "name": socket.gethostname(),
        "cluster_name": name,
        "cluster_uuid": "standin-cluster-0000001",
        "version": {
            "number": VERSION,
            "build_flavor": "default",
            "build_type": "docker",
            "build_hash": "0" * 40,
            "build_date": "2026-01-01T00:00:00.000000000Z",
            "build_snapshot": False,
            "lucene_version": "9.12.2",
            "minimum_wire_compatibility_version": "7.17.0",
            "minimum_index_compatibility_version": "7.0.0",
        },
        "tagline": "You Know, for Search",
    }


def replicas(settings: Json) -> int:
    return int(settings.get("index", {}).get("number_of_replicas", 1))


def health(store: Store, names: list[str], cluster: str) -> Json:
    """Yellow while an index wants a replica, which a single node never gets."""
    unassigned = sum(replicas(store.index(name)["settings"]) for name in names)
    active = len(names)
    return {
        "cluster_name": cluster,
        "status": "yellow" if unassigned else "green",
        "timed_out": False,
        "number_of_nodes": 1,
        "number_of_data_nodes": 1,
        "active_primary_shards": active,
        "active_shards": active,
        "relocating_shards": 0,
        "initializing_shards": 0,
        "unassigned_shards": unassigned,
        "unassigned_primary_shards": 0,
        "delayed_unassigned_shards": 0,
        "number_of_pending_tasks": 0,
        "number_of_in_flight_fetch": 0,
        "task_max_waiting_in_queue_millis": 0,
        "active_shards_percent_as_number": 100.0 * active / (active + unassigned) if active else 100.0,
    }


def _part(counters: Counters, documents: int, size: int) -> Json:
    zero = {"total": 0, "total_time_in_millis": 0}
    return {
        "docs": {"count": documents, "deleted": 0},
        "store": {"size_in_bytes": size, "total_data_set_size_in_bytes": size, "reserved_in_bytes": 0},
        "indexing": {
            "index_total": counters.indexed,
            "index_time_in_millis": int(counters.index_seconds * 1000),
            "index_current": 0,
            "index_failed": counters.failed,
            "delete_total": counters.deleted,
            "delete_time_in_millis": 0,
            "is_throttled": False,
            "throttle_time_in_millis": 0,
        },
        "get": {"total": counters.fetched, "time_in_millis": 0, "exists_total": counters.fetched, "missing_total": 0},
        "search": {
            "open_contexts": 0,
            "query_total": counters.searched,
            "query_time_in_millis": int(counters.search_seconds * 1000),
            "fetch_total": counters.searched,
            "fetch_time_in_millis": 0,
        },
        "merges": {**zero, "current": 0, "total_docs": 0, "total_size_in_bytes": 0},
        "refresh": {**zero, "external_total": 0},
        "flush": zero,
        "segments": {"count": 1 if documents else 0, "memory_in_bytes": 0},
        "translog": {"operations": 0, "size_in_bytes": 0},
        "query_cache": {"memory_size_in_bytes": 0, "evictions": 0, "hit_count": 0, "miss_count": 0},
        "fielddata": {"memory_size_in_bytes": 0, "evictions": 0},
        "request_cache": {"memory_size_in_bytes": 0, "evictions": 0, "hit_count": 0, "miss_count": 0},
        "completion": {"size_in_bytes": 0},
        "warmer": {"current": 0, **zero},
    }


def indices(store: Store, names: list[str], counters: Counters) -> Json:
    """`_stats`: the counters are of the node and not of each index."""
    each = {name: _part(Counters(), *store.size(name)) for name in names}
    documents, size = sum(store.size(name)[0] for name in names), sum(store.size(name)[1] for name in names)
    whole = _part(counters, documents, size)
    return {
        "_shards": {"total": len(names), "successful": len(names), "failed": 0},
        "_all": {"primaries": whole, "total": whole},
        "indices": {
            name: {"uuid": store.index(name)["uuid"], "health": "green", "status": "open", "primaries": part, "total": part}
            for name, part in each.items()
        },
    }


def nodes(store: Store, folder: Path, counters: Counters, cluster: str) -> Json:
    """`_nodes/stats` of the one node."""
    disk = shutil.disk_usage(folder)
    used = resource.getrusage(resource.RUSAGE_SELF)
    heap = 512 * 1024 * 1024
    resident = min(used.ru_maxrss * 1024, heap)
    load = os.getloadavg()
    names = store.names()
    documents, size = sum(store.size(name)[0] for name in names), sum(store.size(name)[1] for name in names)
    space = {"total_in_bytes": disk.total, "free_in_bytes": disk.free, "available_in_bytes": disk.free}
    pool = {"threads": 1, "queue": 0, "active": 0, "rejected": 0, "largest": 1, "completed": counters.indexed}
    node = {
        "timestamp": int(time.time() * 1000),
        "name": socket.gethostname(),
        "host": "127.0.0.1",
        "ip": "127.0.0.1:9300",
        "transport_address": "127.0.0.1:9300",
        "roles": ["data", "ingest", "master"],
        "attributes": {},
        "indices": _part(counters, documents, size),
        "os": {
            "timestamp": int(time.time() * 1000),
            "cpu": {"percent": 1, "load_average": {"1m": load[0], "5m": load[1], "15m": load[2]}},
            "mem": {"total_in_bytes": 0, "free_in_bytes": 0, "used_in_bytes": 0, "actual_free_in_bytes": 0, "actual_used_in_bytes": 0},
        },
        "process": {
            "timestamp": int(time.time() * 1000),
            "open_file_descriptors": 16,
            "max_file_descriptors": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            "cpu": {"percent": 1, "total_in_millis": int((used.ru_utime + used.ru_stime) * 1000)},
            "mem": {"total_virtual_in_bytes": resident},
        },
        "jvm": {
            "uptime_in_millis": int((time.time() - counters.started) * 1000),
            "mem": {
                "heap_used_in_bytes": resident,
                "heap_used_percent": int(100 * resident / heap),
                "heap_committed_in_bytes": heap,
                "heap_max_in_bytes": heap,
                "non_heap_used_in_bytes": 0,
                "non_heap_committed_in_bytes": 0,
                "pools": {
                    "old": {"used_in_bytes": resident, "max_in_bytes": heap, "peak_used_in_bytes": resident, "peak_max_in_bytes": heap}
                },
            },
            "gc": {"collectors": {one: {"collection_count": 0, "collection_time_in_millis": 0} for one in ("young", "old")}},
            "buffer_pools": {"direct": {"count": 0, "used_in_bytes": 0, "total_capacity_in_bytes": 0}},
        },
        "thread_pool": dict.fromkeys(("write", "search", "get", "management"), pool),
        "fs": {"total": space, "data": [{"path": str(folder), "mount": "/", "type": "ext4", **space}], "io_stats": {}},
        "transport": {"server_open": 0, "rx_count": 0, "rx_size_in_bytes": 0, "tx_count": 0, "tx_size_in_bytes": 0},
        "http": {"current_open": 1, "total_opened": 1},
        "breakers": {"parent": {"estimated_size_in_bytes": resident, "limit_size_in_bytes": heap, "overhead": 1.0, "tripped": 0}},
        "indexing_pressure": {"memory": {"current": {"all_in_bytes": 0}, "limit_in_bytes": heap // 10}},
    }
    return {"_nodes": {"total": 1, "successful": 1, "failed": 0}, "cluster_name": cluster, "nodes": {NODE: node}}
