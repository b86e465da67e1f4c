"""`python -m kubernetes_standin --port 6443 --settings '{"nodes": 1}'`."""

from __future__ import annotations

import argparse
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import yaml

from kubernetes_standin.cluster import Cluster
from kubernetes_standin.kinds import Kind
from kubernetes_standin.proxy import forward, target
from kubernetes_standin.refusal import Refused
from kubernetes_standin.settings import Settings
from kubernetes_standin.workloads import events_of, log_of

_OBJECT = re.compile(
    r"/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+/[^/]+))"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/))?/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<rest>.*))?"
)
_FINALIZE = re.compile(r"/api/v1/namespaces/([^/]+)/finalize")
_APPLY = "application/apply-patch+yaml"


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    cluster: Cluster
    lock: threading.Lock
    requests: list[str]

    def _serve(self) -> None:
        address = urlsplit(self.path)
        self._params = dict(parse_qsl(address.query))
        self._body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._warned: list[str] = []
        if address.path == "/standin/requests":
            self._send(200, json.dumps(self.requests).encode(), {})
            return
        self.requests.append(f"{self.command} {self.path}")
        fault = next((each for each in self.cluster.settings.faults if each.meets(self.command, self.path)), None)
        if fault is not None and fault.status == 0:
            self.close_connection = True
            return
        try:
            status, body = self._answer(address.path) if fault is None else (fault.status, Refused(fault.status, fault.message).body)
        except Refused as refused:
            status, body = refused.status, refused.body
        if isinstance(body, tuple):
            self._send(status, body[1], body[0])
        else:
            text = isinstance(body, str)
            content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self._send(status, content, {"Content-Type": "text/plain" if text else "application/json"})

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - names that http.server looks up

    def _answer(self, path: str) -> tuple[int, Any]:
        release = self.cluster.settings.release
        if path == "/version":
            major, minor = release.split(".")
            return 200, {"major": major, "minor": minor, "gitVersion": f"v{release}.0", "platform": "standin"}
        if path == "/api":
            return 200, {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            groups = [{"name": version.partition("/")[0]} for version in self.cluster.kinds if "/" in version]
            return 200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        if (version := path.removeprefix("/apis/").removeprefix("/api/")) in self.cluster.kinds:
            kinds = self.cluster.kinds[version]
            resources = [{"name": each.plural, "kind": each.name, "namespaced": each.namespaced} for each in kinds]
            return 200, {"kind": "APIResourceList", "groupVersion": version, "resources": resources}
        if (ended := _FINALIZE.fullmatch(path)) and self.command == "PUT":
            self.cluster.finalize(ended[1], self._sent())
            return 200, {"kind": "Status", "status": "Success"}
        found = _OBJECT.fullmatch(path)
        if found is None:
            raise Refused(404, "the server could not find the requested resource")
        return self._object(found)

    def _object(self, found: re.Match[str]) -> tuple[int, Any]:
        namespace, name = found["namespace"] or "", unquote(found["name"] or "")
        with self.lock:
            kind = self.cluster.kind(found["core"] or found["group"], found["plural"])
            if found["rest"] is not None:
                return self._part(found["plural"], namespace, name, found["rest"])
            if self.command == "GET":
                return 200, self.cluster.get(kind, namespace, name) if name else self._list(kind, namespace)
            if self.command == "DELETE":
                return 200, self.cluster.delete(kind, namespace, name, self._only_uid()) if name else self.cluster.delete_all(
                    kind, namespace
                )
            return self._change(kind, namespace, name)

    def _list(self, kind: Kind, namespace: str) -> dict[str, Any]:
        if kind.name == "Event":
            items = events_of(self._chosen("fieldSelector").get("involvedObject.name", ""), self.cluster.settings)
        else:
            items = self.cluster.listed(kind, namespace, self._chosen("labelSelector"))
        return {"kind": f"{kind.name}List", "apiVersion": kind.version, "items": items}

    def _change(self, kind: Kind, namespace: str, name: str) -> tuple[int, Any]:
        if self.command == "PATCH" and self.headers.get("Content-Type") == _APPLY:
            made, self._warned = self.cluster.apply(kind, namespace, name, self._sent(), self._params)
            return 200, made
        if self.command == "POST" and not name:
            made, self._warned = self.cluster.create(kind, namespace, self._sent(), self._params)
            return 201, made
        raise Refused(405, "the server does not allow this method on the requested resource")

    def _part(self, plural: str, namespace: str, name: str, rest: str) -> tuple[int, Any]:
        """A subresource."""
        if plural == "pods" and rest == "log":
            return 200, log_of(name, self._params.get("container", ""), self.cluster.settings)
        if plural == "services" and rest.partition("/")[0] == "proxy":
            url = f"{target(self.cluster, namespace, name)}/{rest.partition('/')[2]}"
            status, headers, content = forward(url, self.command, dict(self.headers), self._body)
            return status, ({key: value for key, value in headers.items() if key.lower() in ("content-type", "x-request-id")}, content)
        raise Refused(404, "the server could not find the requested resource")

    def _only_uid(self) -> str:
        """Of DeleteOptions."""
        options = yaml.safe_load(self._body) or {}
        return str(options.get("preconditions", {}).get("uid", ""))

    def _sent(self) -> dict[str, Any]:
        manifest = yaml.safe_load(self._body)
        if not isinstance(manifest, dict) or not isinstance(manifest.get("metadata"), dict):
            raise Refused(400, "the body is no object")
        return manifest

    def _chosen(self, name: str) -> dict[str, str]:
        """A selector of labels or fields."""
        return dict(part.split("=", 1) for part in self._params.get(name, "").split(",") if "=" in part)

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        for warning in self._warned:
            self.send_header("Warning", "299 - " + json.dumps(warning))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Say nothing of each request."""


class Server(ThreadingHTTPServer):
    daemon_threads = True


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--settings", default="{}")
    args = parser.parse_args()
    Handler.cluster = Cluster(Settings.of(args.settings))
    Handler.lock, Handler.requests = threading.Lock(), []
    Server(("127.0.0.1", args.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
