"""`python -m grafana_standin`: settings are Grafana's own environment variables and grafana.ini."""

from __future__ import annotations

import base64
import hmac
import json
import re
import signal
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit

from grafana_standin.annotations import Annotations
from grafana_standin.provisioning import Provisioned, load
from grafana_standin.settings import Settings, StartFailed

VERSION = "11.6.0"
_HEALTH = {"prometheus": "/api/v1/status/buildinfo", "elasticsearch": "/", "alertmanager": "/api/v2/status"}


class Refused(Exception):
    """An error answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    there: Provisioned
    annotations: Annotations
    user: str
    password: str
    anonymous: bool
    served = 0

    def _serve(self) -> None:
        try:
            status, body = self._answer()
        except Refused as refused:
            status, body = refused.status, {"message": str(refused)}
        type(self).served += 1
        text = isinstance(body, str)
        content = body.encode() if text else json.dumps(body).encode()
        self.send_response(status)
        kind = "text/plain; version=0.0.4" if self.path == "/metrics" else "text/html" if text else "application/json"
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = _serve  # noqa: N815  # names that http.server looks up

    def _answer(self) -> tuple[int, Any]:
        address = urlsplit(self.path)
        path, params = address.path.rstrip("/") or "/", parse_qs(address.query)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if path == "/api/health":
            return 200, {"commit": "standin", "database": "ok", "version": VERSION}
        if path == "/metrics":
            return 200, self._metrics()
        if path == "/login":
            return 200, "<!DOCTYPE html><title>Grafana stand-in</title>"
        role = self._role()
        if path == "/api/annotations":
            return self._annotations(role, params, raw)
        removed = re.fullmatch(r"/api/annotations/(\d+)", path)
        if removed and self.command == "DELETE":
            self._need_editor(role, "annotations:delete")
            if not self.annotations.remove(int(removed[1])):
                raise Refused(404, "Could not find annotation to delete")
            return 200, {"message": "Annotation deleted"}
        if self.command == "GET":
            return self._get(role, path, params)
        raise Refused(404, "Not found")

    def _role(self) -> str:
        """Admin, Viewer, or none.

        Raises:
            Refused: a wrong password, or nobody where anonymous users have no access.
        """
        given = self.headers.get("Authorization", "")
        if given.startswith("Basic "):
            wanted = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            if not hmac.compare_digest(given.removeprefix("Basic "), wanted):
                raise Refused(401, "Invalid username or password")
            return "Admin"
        if not self.anonymous:
            raise Refused(401, "Unauthorized")
        return "Viewer"

    def _need_editor(self, role: str, permission: str) -> None:
        if role != "Admin":
            raise Refused(403, f"You'll need additional permissions to perform this action. Permissions needed: {permission}")

    def _annotations(self, role: str, params: dict[str, list[str]], raw: bytes) -> tuple[int, Any]:
        if self.command == "GET":
            return 200, self.annotations.find(params)
        self._need_editor(role, "annotations:create")
        try:
            given = json.loads(raw)
        except ValueError:
            raise Refused(400, "bad request data") from None
        if not isinstance(given, dict) or not given.get("text"):
            raise Refused(400, "Failed to save annotation: text field should not be empty")
        if given.get("dashboardUID") and given["dashboardUID"] not in self.there.dashboards:
            raise Refused(404, "Dashboard not found")
        return 200, {"message": "Annotation added", "id": self.annotations.add(given)}

    def _get(self, role: str, path: str, params: dict[str, list[str]]) -> tuple[int, Any]:
        if path in {"/", "/dashboards", "/explore", "/alerting/list"}:
            return 200, "<!DOCTYPE html><title>Grafana stand-in</title>"
        if path == "/api/org":
            return 200, {"id": 1, "name": "Main Org."}
        if path == "/api/search":
            return 200, self._search(params)
        if path == "/api/datasources":
            self._need_editor(role, "datasources:read")
            return 200, list(self.there.sources.values())
        dashboard = re.fullmatch(r"/(api/dashboards/uid|d)/([^/]+)(/[^/]+)?", path)
        if dashboard:
            return self._dashboard(dashboard[2], page=dashboard[1] == "d")
        source = re.fullmatch(r"/api/datasources/(proxy/)?uid/([^/]+)(/.*)?", path)
        if source and source[2] in self.there.sources:
            return self._source(self.there.sources[source[2]], proxied=bool(source[1]), rest=source[3] or "")
        raise Refused(404, "Not found")

    def _search(self, params: dict[str, list[str]]) -> list[dict[str, Any]]:
        words, tags = params.get("query", [""])[0].lower(), set(params.get("tag", []))
        return [
            {
                "uid": uid,
                "title": one["title"],
                "url": f"/d/{uid}/{uid}",
                "type": "dash-db",
                "tags": one.get("tags", []),
                "folderTitle": self.there.folders[uid],
            }
            for uid, one in self.there.dashboards.items()
            if words in one["title"].lower() and tags <= set(one.get("tags", []))
        ]

    def _dashboard(self, uid: str, *, page: bool) -> tuple[int, Any]:
        found = self.there.dashboards.get(uid)
        if found is None:
            raise Refused(404, "Dashboard not found")
        if page:
            return 200, f"<!DOCTYPE html><title>{found['title']} - Grafana stand-in</title>"
        return 200, {"meta": {"provisioned": True, "slug": uid, "folderTitle": self.there.folders[uid]}, "dashboard": found}

    def _source(self, source: dict[str, Any], *, proxied: bool, rest: str) -> tuple[int, Any]:
        if not proxied and rest == "":
            return 200, source
        if not proxied and rest != "/health":
            raise Refused(404, "Not found")
        query = urlsplit(self.path).query
        target = source["url"].rstrip("/") + (f"{rest}?{query}" if proxied else _HEALTH.get(source["type"], "/"))
        try:
            with urllib.request.urlopen(target, timeout=10) as answer:  # noqa: S310  # the address is provisioned
                content = answer.read()
        except HTTPError as error:
            raise Refused(error.code, error.read().decode(errors="replace")) from error
        except OSError as error:
            raise Refused(502 if proxied else 500, f"{source['name']}: {error}") from error
        return 200, json.loads(content) if proxied else {"status": "OK", "message": "Successfully queried the data source."}

    def _metrics(self) -> str:
        return (
            "# TYPE grafana_build_info gauge\n"
            f'grafana_build_info{{edition="standin",version="{VERSION}"}} 1\n'
            "# TYPE grafana_stat_totals_dashboard gauge\n"
            f"grafana_stat_totals_dashboard {len(self.there.dashboards)}\n"
            "# TYPE grafana_http_request_duration_seconds_count counter\n"
            f"grafana_http_request_duration_seconds_count {self.served}\n"
        )

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's name
        """Say nothing of each request."""


class Server(ThreadingHTTPServer):
    daemon_threads = True


def main() -> int:
    settings = Settings()
    try:
        Handler.there = load(Path(settings.get("paths", "provisioning", "/etc/grafana/provisioning")))
        Handler.annotations = Annotations(Path(settings.get("paths", "data", "/var/lib/grafana")))
        Handler.user = settings.get("security", "admin_user", "admin")
        Handler.password = settings.get("security", "admin_password", "admin")
        Handler.anonymous = settings.flag("auth.anonymous", "enabled", default=False)
        address = settings.get("server", "http_addr", "0.0.0.0"), int(settings.get("server", "http_port", "3000"))  # noqa: S104  # as Grafana
    except Exception as error:  # noqa: BLE001  # whatever it is, the start has failed, and this is why
        reason = str(error) if isinstance(error, StartFailed) else repr(error)
        sys.stderr.write(f"[grafana stand-in] failed to start: {reason}\n")
        return 1
    server = Server(address, Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    sys.stderr.write(f"[grafana stand-in] a test double, not Grafana; {len(Handler.there.dashboards)} dashboards\n")
    server.serve_forever(poll_interval=0.05)
    return 0


if __name__ == "__main__":
    sys.exit(main())
