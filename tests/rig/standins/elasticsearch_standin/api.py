"""The REST interface: which address does what."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from elasticsearch_standin import mapping as mappings
from elasticsearch_standin import statistics
from elasticsearch_standin.bulk import bulk, written
from elasticsearch_standin.failures import Refusal, bad_argument
from elasticsearch_standin.mapping import Json
from elasticsearch_standin.search import found, search, shown
from elasticsearch_standin.statistics import Counters
from elasticsearch_standin.store import Store, normal

_KINDS = {"_index_template": "index_template", "_component_template": "component_template", "_ilm/policy": "policy"}


@dataclass
class Request:
    """One request: the parts of its path that the route names, its parameters, its body."""

    method: str
    parts: dict[str, str]
    params: dict[str, str]
    raw: bytes

    def json(self) -> Any:
        """The body as JSON; an empty object without one."""
        try:
            return json.loads(self.raw) if self.raw.strip() else {}
        except ValueError as error:
            raise Refusal(400, "parse_exception", f"request body is not JSON: {error}") from error

    def needed(self) -> Json:
        if not self.raw.strip():
            raise Refusal(400, "parse_exception", "request body is required")
        body = self.json()
        if not isinstance(body, dict):
            raise Refusal(400, "parse_exception", "request body must be an object")
        return body

    def flag(self, name: str) -> bool:
        return self.params.get(name, "false") in ("", "true")


Answer = tuple[int, Any]
Handler = Callable[["Api", Request], Answer]


class Api:
    """One node; each handler answers one route."""

    def __init__(self, folder: Path, cluster: str) -> None:
        self.folder, self.cluster = folder, cluster
        self.store = Store(folder)
        self.counters = Counters()

    def answer(self, method: str, path: str, params: dict[str, str], raw: bytes) -> Answer:
        """Status and body of a request.

        Raises:
            Refusal: what the server refuses, and what this stand-in does not have.
        """
        allowed: set[str] = set()
        for methods, pattern, handler in _ROUTES:
            found_route = pattern.fullmatch(path.rstrip("/") or "/")
            if found_route is None:
                continue
            if ("GET" if method == "HEAD" else method) in methods.split():
                parts = {key: unquote(value or "") for key, value in found_route.groupdict().items()}
                return handler(self, Request(method, parts, params, raw))
            allowed |= set(methods.split())
        if allowed:
            raise Refusal(405, "method_not_allowed", f"Incorrect HTTP method for uri [{path}] and method [{method}], allowed: {allowed}")
        raise bad_argument(f"no handler found for uri [{path}] and method [{method}] (or this stand-in does not know it)")

    def indices(self, request: Request) -> list[str]:
        names = self.store.resolve(request.parts.get("index", ""), ignore_unavailable=request.flag("ignore_unavailable"))
        if not names and request.params.get("allow_no_indices", "true") == "false":
            raise Refusal(404, "index_not_found_exception", f"no such index [{request.parts.get('index')}]")
        return names


def _info(api: Api, _request: Request) -> Answer:
    return 200, statistics.info(api.cluster)


def _health(api: Api, request: Request) -> Answer:
    health = statistics.health(api.store, api.indices(request), api.cluster)
    wanted = request.params.get("wait_for_status", "red")
    colours = ("green", "yellow", "red")
    late = colours.index(health["status"]) > colours.index(wanted)
    return (408, {**health, "timed_out": True}) if late else (200, health)


def _cluster_settings(api: Api, request: Request) -> Answer:
    kept = api.store.all_named("cluster").get("settings", {"persistent": {}, "transient": {}})
    if request.method == "PUT":
        kept = mappings.merged(kept, request.needed())
        api.store.put_named("cluster", "settings", kept)
        return 200, {"acknowledged": True, **kept}
    return 200, {**kept, "defaults": {}} if request.flag("include_defaults") else kept


def _cat_indices(api: Api, request: Request) -> Answer:
    rows = []
    for name in api.indices(request):
        documents, size = api.store.size(name)
        index = api.store.index(name)
        copies = statistics.replicas(index["settings"])
        row = {"health": "yellow" if copies else "green", "status": "open", "index": name, "uuid": index["uuid"], "pri": "1"}
        rows.append(row | {"rep": str(copies), "docs.count": str(documents), "docs.deleted": "0", "store.size": f"{size}b"})
    return 200, rows if request.params.get("format") == "json" else "".join(" ".join(row.values()) + "\n" for row in rows)


def _cat_shards(api: Api, _request: Request) -> Answer:
    return 200, [{"index": name, "shard": "0", "prirep": "p", "state": "STARTED", "node": statistics.NODE} for name in api.store.names()]


def _named(api: Api, request: Request) -> Answer:
    kind, name = _KINDS[request.parts["kind"]], request.parts.get("name", "")
    if request.method in {"PUT", "POST"}:
        body = request.needed()
        if kind == "index_template":
            _check_template(api, name, body)
        elif kind == "component_template":
            mappings.validated(mappings.nested(body.get("template", {}).get("mappings", {})))
        elif "phases" not in body.get("policy", {}):
            raise bad_argument("[policy] phases are required")
        api.store.put_named(kind, name, body)
        return 200, {"acknowledged": True}
    if request.method == "DELETE":
        api.store.delete_named(kind, name)
        return 200, {"acknowledged": True}
    there = api.store.all_named(kind)
    pattern = re.compile(re.escape(name or "*").replace(r"\*", ".*"))
    chosen = {key: body for key, body in there.items() if pattern.fullmatch(key)}
    if name and "*" not in name and not chosen:
        api.store.named(kind, name)
    if kind == "policy":
        return 200, {
            key: {"version": 1, "modified_date": "2026-01-01T00:00:00.000Z", **body, "in_use_by": {}} for key, body in chosen.items()
        }
    return 200, {f"{kind}s": [{"name": key, kind: {"composed_of": [], **_as_kept(body)}} for key, body in chosen.items()]}


def _as_kept(body: Json) -> Json:
    """A template as the server gives it back: settings below `index`, their values as text."""
    template = normal(body.get("template", {}))
    return {**body, "template": {**template, **({"settings": _texts(template["settings"])} if "settings" in template else {})}}


def _texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _texts(inner) for key, inner in value.items()}
    return value if isinstance(value, (str, list)) else json.dumps(value)


def _check_template(api: Api, name: str, body: Json) -> None:
    unknown = set(body) - {"index_patterns", "template", "priority", "composed_of", "version", "_meta", "data_stream", "allow_auto_create"}
    if unknown or not body.get("index_patterns"):
        raise bad_argument(f"index template [{name}]: {f'unknown field [{min(unknown)}]' if unknown else 'index patterns are missing'}")
    for other, theirs in api.store.all_named("index_template").items():
        same = theirs.get("priority", 0) == body.get("priority", 0) and set(theirs["index_patterns"]) & set(body["index_patterns"])
        if other != name and same:
            reason = (
                f"index template [{name}] has index patterns {body['index_patterns']} matching patterns from existing templates [{other}]"
            )
            raise bad_argument(f"{reason} that have the same priority, multiple index templates may not match during index creation")
    for component in body.get("composed_of", []):
        api.store.named("component_template", component)
    mappings.validated(mappings.nested(normal(body.get("template", {})).get("mappings", {})))


def _simulate(api: Api, request: Request) -> Answer:
    return 200, {
        "template": {"settings": {}, "mappings": {}, "aliases": {}, **api.store.template_for(request.parts["name"])},
        "overlapping": [],
    }


def _ilm_explain(api: Api, request: Request) -> Answer:
    answer = {}
    for name in api.indices(request):
        policy = api.store.index(name)["settings"].get("index", {}).get("lifecycle", {}).get("name")
        managed = (
            {"managed": True, "policy": policy, "phase": "hot", "action": "complete", "step": "complete"} if policy else {"managed": False}
        )
        answer[name] = {"index": name, **managed}
    return 200, {"indices": answer}


def _index(api: Api, request: Request) -> Answer:
    name = request.parts["index"]
    if request.method == "PUT":
        api.store.create_index(name, normal(request.json()))
        return 200, {"acknowledged": True, "shards_acknowledged": True, "index": name}
    if request.method == "DELETE":
        for one in api.indices(request):
            api.store.delete_index(one)
        return 200, {"acknowledged": True}
    return 200, {
        one: {**_settings_of(api, one), "mappings": api.store.index(one)["mapping"], "aliases": {}} for one in api.indices(request)
    }


def _settings_of(api: Api, name: str) -> Json:
    index = api.store.index(name)
    own = {"uuid": index["uuid"], "creation_date": str(index["created"]), "provided_name": name, "number_of_shards": "1"}
    return {"settings": {"index": {**own, **index["settings"].get("index", {})}}}


def _settings(api: Api, request: Request) -> Answer:
    if request.method == "PUT":
        for name in api.indices(request):
            api.store.put_settings(name, request.needed())
        return 200, {"acknowledged": True}
    return 200, {name: _settings_of(api, name) for name in api.indices(request)}


def _mapping(api: Api, request: Request) -> Answer:
    if request.method in {"PUT", "POST"}:
        for name in api.indices(request):
            api.store.put_mapping(name, request.needed())
        return 200, {"acknowledged": True}
    return 200, {name: {"mappings": api.store.index(name)["mapping"]} for name in api.indices(request)}


def _alias(api: Api, request: Request) -> Answer:
    return 200, {name: {"aliases": api.store.index(name)["aliases"]} for name in api.indices(request)}


def _refresh(api: Api, request: Request) -> Answer:
    count = len(api.indices(request))
    return 200, {"_shards": {"total": count, "successful": count, "failed": 0}}


def _document(api: Api, request: Request) -> Answer:
    name, doc_id = request.parts["index"], request.parts.get("id") or None
    if request.method in {"PUT", "POST"}:
        create = "_create" in request.parts["way"] or request.params.get("op_type") == "create"
        document = api.store.write(name, doc_id, request.needed(), create=create)
        api.counters.indexed += 1
        answer = written(document, "created" if document.version == 1 else "updated")
        return answer.pop("status"), answer
    if request.method == "DELETE":
        old = api.store.delete(name, doc_id or "")
        api.counters.deleted += 1
        base = {"_index": name, "_id": doc_id, "_version": old.version + 1 if old else 1, "result": "deleted" if old else "not_found"}
        return 200 if old else 404, base
    api.store.index(name)
    api.counters.fetched += 1
    there = api.store.get(name, doc_id or "")
    if there is None:
        return 404, {"_index": name, "_id": doc_id, "found": False}
    if request.parts["way"] == "_source":
        return 200, there.source
    found_document = {"_index": name, "_id": doc_id, "_version": there.version, "_seq_no": there.seq, "_primary_term": 1, "found": True}
    return 200, found_document | {"_source": shown(there.source, request.params.get("_source", True))}


def _bulk(api: Api, request: Request) -> Answer:
    return 200, bulk(api.store, api.counters, request.raw, request.parts.get("index") or None)


def _search(api: Api, request: Request) -> Answer:
    body = request.json()
    for name in ("size", "from", "track_total_hits", "sort", "_source"):
        if name in request.params:
            value: Any = request.params[name]
            body[name] = value == "true" if value in {"true", "false"} else value.split(",") if name == "sort" else value
    if "q" in request.params:
        raise bad_argument("this stand-in does not know the parameter [q]")
    names = api.indices(request)
    started = time.monotonic()
    fields = [mappings.fields(api.store.index(name)["mapping"]) for name in names]
    answer = search(api.store.documents(names), fields, body, shards=len(names))
    api.counters.searched += 1
    api.counters.search_seconds += time.monotonic() - started
    return 200, answer


def _count(api: Api, request: Request) -> Answer:
    body = request.json()
    if set(body) - {"query"}:
        raise Refusal(400, "parsing_exception", f"request does not support [{min(set(body) - {'query'})}]")
    names = api.indices(request)
    count = len(found(api.store.documents(names), body.get("query")))
    return 200, {"count": count, "_shards": {"total": len(names), "successful": len(names), "skipped": 0, "failed": 0}}


def _delete_by_query(api: Api, request: Request) -> Answer:
    hits = found(list(api.store.documents(api.indices(request))), request.needed().get("query"))
    with api.store.transaction():
        for document in hits:
            api.store.delete(document.index, document.id)
    api.counters.deleted += len(hits)
    return 200, {"took": 1, "timed_out": False, "total": len(hits), "deleted": len(hits), "failures": []}


def _node_stats(api: Api, _request: Request) -> Answer:
    return 200, statistics.nodes(api.store, api.folder, api.counters, api.cluster)


def _index_stats(api: Api, request: Request) -> Answer:
    return 200, statistics.indices(api.store, api.indices(request), api.counters)


def _ilm_status(_api: Api, _request: Request) -> Answer:
    return 200, {"operation_mode": "RUNNING"}


_INDEX = r"/(?P<index>(?!_(?!all\b))[^/]+)"
_ROUTES: list[tuple[str, re.Pattern[str], Handler]] = [
    (methods, re.compile(pattern), handler)
    for methods, pattern, handler in (
        ("GET", "/", _info),
        ("GET", r"/_cluster/health(/(?P<index>[^/]+))?", _health),
        ("GET PUT", r"/_cluster/settings", _cluster_settings),
        ("GET", r"/_cat/indices(/(?P<index>[^/]+))?", _cat_indices),
        ("GET", r"/_cat/shards", _cat_shards),
        ("GET", r"/_nodes(/[^/]+)?/stats(/.*)?", _node_stats),
        ("GET", rf"({_INDEX})?/_stats(/.*)?", _index_stats),
        ("GET PUT POST DELETE", r"/(?P<kind>_index_template|_component_template|_ilm/policy)(/(?P<name>[^/]+))?", _named),
        ("POST", r"/_index_template/_simulate_index/(?P<name>[^/]+)", _simulate),
        ("GET", r"/_ilm/status", _ilm_status),
        ("GET", rf"{_INDEX}/_ilm/explain", _ilm_explain),
        ("POST PUT", rf"({_INDEX})?/_bulk", _bulk),
        ("GET POST", rf"({_INDEX})?/_search", _search),
        ("GET POST", rf"({_INDEX})?/_count", _count),
        ("GET POST", rf"({_INDEX})?/(_refresh|_flush|_forcemerge)", _refresh),
        ("GET", rf"({_INDEX})?/_alias(es)?", _alias),
        ("POST", rf"{_INDEX}/_delete_by_query", _delete_by_query),
        ("GET PUT", rf"({_INDEX})?/_settings", _settings),
        ("GET PUT POST", rf"({_INDEX})?/_mappings?", _mapping),
        ("POST", rf"{_INDEX}/(?P<way>_doc)", _document),
        ("GET PUT POST DELETE", rf"{_INDEX}/(?P<way>_doc|_create|_source)/(?P<id>[^/]+)", _document),
        ("GET PUT DELETE", _INDEX, _index),
    )
]
