"""What the node keeps: indices with their mappings, documents, templates and policies, in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from uuid import uuid4

from elasticsearch_standin import mapping as mappings
from elasticsearch_standin.documents import Document
from elasticsearch_standin.failures import Refusal, bad_argument, no_index
from elasticsearch_standin.mapping import Json

_TABLES = """
CREATE TABLE IF NOT EXISTS indices (name TEXT PRIMARY KEY, uuid TEXT, created INTEGER, mapping TEXT, settings TEXT, aliases TEXT);
CREATE TABLE IF NOT EXISTS documents (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, id TEXT, version INTEGER, source TEXT, UNIQUE (name, id));
CREATE TABLE IF NOT EXISTS named (kind TEXT, name TEXT, body TEXT, PRIMARY KEY (kind, name));
"""
_FORBIDDEN = set(' "*\\<|,>/?#:')


class Store:
    """All state; every method is one transaction, on disk when it returns."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "standin.sqlite3"
        self._lock = threading.RLock()
        self._database = sqlite3.connect(self._file, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(_TABLES)
        self._depth = 0

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is on disk at its end, or nothing of it."""
        with self._lock:
            self._depth += 1
            if self._depth == 1:
                self._database.execute("BEGIN")
            try:
                yield
            except BaseException:
                if self._depth == 1:
                    self._database.execute("ROLLBACK")
                raise
            else:
                if self._depth == 1:
                    self._database.execute("COMMIT")
            finally:
                self._depth -= 1

    def names(self) -> list[str]:
        with self._lock:
            return [name for (name,) in self._database.execute("SELECT name FROM indices ORDER BY name")]

    def resolve(self, expression: str, *, ignore_unavailable: bool = False) -> list[str]:
        """Indices that an expression as in an address names.

        Raises:
            Refusal: a name without a wildcard that there is no index of.
        """
        there = self.names()
        if expression in {"", "_all", "*"}:
            return there
        chosen: list[str] = []
        for part in expression.split(","):
            if part.startswith("-"):
                chosen = [name for name in chosen if not fnmatchcase(name, part[1:])]
            elif "*" in part:
                chosen += [name for name in there if fnmatchcase(name, part)]
            elif part in there:
                chosen.append(part)
            elif not ignore_unavailable:
                raise no_index(part)
        return list(dict.fromkeys(chosen))

    def index(self, name: str) -> Json:
        """One index: uuid, creation in epoch milliseconds, mapping, settings and aliases."""
        with self._lock:
            row = self._database.execute("SELECT uuid, created, mapping, settings, aliases FROM indices WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise no_index(name)
        return {
            "uuid": row[0],
            "created": row[1],
            "mapping": json.loads(row[2]),
            "settings": json.loads(row[3]),
            "aliases": json.loads(row[4]),
        }

    def create_index(self, name: str, given: Json) -> None:
        """Make an index out of the template that fits its name and of what is given."""
        if name in self.names():
            raise Refusal(400, "resource_already_exists_exception", f"index [{name}] already exists")
        if name != name.lower() or set(name) & _FORBIDDEN or name[:1] in {"", "-", "_", "+", "."}:
            raise Refusal(400, "invalid_index_name_exception", f"Invalid index name [{name}], must be lowercase and without {_FORBIDDEN}")
        body = mappings.merged(self.template_for(name), given)
        mapping = mappings.validated(mappings.nested(body.get("mappings", {})), _limit(body.get("settings", {})))
        row = (
            name,
            uuid4().hex[:22],
            int(time.time() * 1000),
            json.dumps(mapping),
            json.dumps(body.get("settings", {})),
            json.dumps(body.get("aliases", {})),
        )
        with self.transaction():
            self._database.execute("INSERT INTO indices VALUES (?, ?, ?, ?, ?, ?)", row)

    def template_for(self, name: str) -> Json:
        """Settings, mappings and aliases that a new index of this name gets."""
        fitting = [body for body in self.all_named("index_template").values() if any(fnmatchcase(name, p) for p in body["index_patterns"])]
        if not fitting:
            return {}
        best = max(fitting, key=lambda body: body.get("priority", 0))
        if "data_stream" in best:
            raise bad_argument(f"[{name}] would be a data stream, which this stand-in does not have")
        out: Json = {}
        for component in best.get("composed_of", []):
            out = mappings.merged(out, normal(self.named("component_template", component)["template"]))
        return mappings.merged(out, normal(best.get("template", {})))

    def put_mapping(self, name: str, given: Json) -> None:
        old = self.index(name)
        grown = mappings.validated(mappings.merged(old["mapping"], mappings.nested(given)), _limit(old["settings"]))
        before, after = mappings.fields(old["mapping"]), mappings.fields(grown)
        for field, definition in before.items():
            if after[field]["type"] != definition["type"]:
                reason = f"mapper [{field}] cannot be changed from type [{definition['type']}] to [{after[field]['type']}]"
                raise bad_argument(reason)
        self._set_mapping(name, grown)

    def put_settings(self, name: str, given: Json) -> None:
        settings = mappings.merged(self.index(name)["settings"], normal({"settings": given})["settings"])
        with self.transaction():
            self._database.execute("UPDATE indices SET settings = ? WHERE name = ?", (json.dumps(settings), name))

    def delete_index(self, name: str) -> None:
        with self.transaction():
            self._database.execute("DELETE FROM indices WHERE name = ?", (name,))
            self._database.execute("DELETE FROM documents WHERE name = ?", (name,))

    def write(self, name: str, doc_id: str | None, source: Any, *, create: bool = False) -> Document:
        """Store a document, over an older one of the same id unless `create`; makes the index when there is none.

        Raises:
            Refusal: the mapping does not admit it, or it is there already.
        """
        doc_id = doc_id or uuid4().hex[:20]
        if not isinstance(source, dict):
            raise Refusal(400, "document_parsing_exception", "[1:1] failed to parse: a document must be an object")
        if len(doc_id.encode()) > 512:
            raise bad_argument(f"id [{doc_id[:40]}] is too long, must be no longer than 512 bytes but was: {len(doc_id.encode())}")
        with self.transaction():
            if name not in self.names():
                self.create_index(name, {})
            index = self.index(name)
            grown = mappings.accept(index["mapping"], mappings.expanded(source), doc_id=doc_id, limit=_limit(index["settings"]))
            old = self.get(name, doc_id)
            if old is not None and create:
                reason = f"[{doc_id}]: version conflict, document already exists (current version [{old.version}])"
                raise Refusal(409, "version_conflict_engine_exception", reason)
            if grown != index["mapping"]:
                self._set_mapping(name, grown)
            version = old.version + 1 if old else 1
            self._database.execute(
                "INSERT OR REPLACE INTO documents (name, id, version, source) VALUES (?, ?, ?, ?)",
                (name, doc_id, version, json.dumps(source)),
            )
        written = self.get(name, doc_id)
        assert written is not None
        return written

    def delete(self, name: str, doc_id: str) -> Document | None:
        """Remove a document; None when there was none."""
        with self.transaction():
            old = self.get(name, doc_id)
            self._database.execute("DELETE FROM documents WHERE name = ? AND id = ?", (name, doc_id))
        return old

    def get(self, name: str, doc_id: str) -> Document | None:
        with self._lock:
            row = self._database.execute(
                "SELECT id, seq, version, source FROM documents WHERE name = ? AND id = ?", (name, doc_id)
            ).fetchone()
        return Document(name, row[0], row[1], row[2], row[3], {}) if row else None

    def documents(self, names: list[str]) -> Iterator[Document]:
        """All documents of some indices, oldest write first."""
        for name in names:
            fields = mappings.fields(self.index(name)["mapping"])
            with self._lock:
                rows = self._database.execute(
                    "SELECT id, seq, version, source FROM documents WHERE name = ? ORDER BY seq", (name,)
                ).fetchall()
            yield from (Document(name, row[0], row[1], row[2], row[3], fields) for row in rows)

    def size(self, name: str) -> tuple[int, int]:
        """Number of documents and bytes of an index."""
        with self._lock:
            count, size = self._database.execute("SELECT count(*), sum(length(source)) FROM documents WHERE name = ?", (name,)).fetchone()
        return count, (size or 0) + 250

    def put_named(self, kind: str, name: str, body: Json) -> None:
        """Keep a template or a policy."""
        with self.transaction():
            self._database.execute("INSERT OR REPLACE INTO named VALUES (?, ?, ?)", (kind, name, json.dumps(body)))

    def all_named(self, kind: str) -> dict[str, Json]:
        with self._lock:
            rows = self._database.execute("SELECT name, body FROM named WHERE kind = ? ORDER BY name", (kind,)).fetchall()
        return {name: json.loads(body) for name, body in rows}

    def named(self, kind: str, name: str) -> Json:
        found = self.all_named(kind).get(name)
        if found is None:
            raise Refusal(404, "resource_not_found_exception", f"{kind.replace('_', ' ')} matching [{name}] not found")
        return found

    def delete_named(self, kind: str, name: str) -> None:
        self.named(kind, name)
        with self.transaction():
            self._database.execute("DELETE FROM named WHERE kind = ? AND name = ?", (kind, name))

    def _set_mapping(self, name: str, mapping: Json) -> None:
        with self.transaction():
            self._database.execute("UPDATE indices SET mapping = ? WHERE name = ?", (json.dumps(mapping), name))


def normal(template: Json) -> Json:
    """A template whose mapping and settings are written without dots, `index.` included."""
    settings = mappings.expanded(template.get("settings", {}))
    inner = settings.pop("index", {})
    out = {**template, "settings": {"index": mappings.merged(settings, inner)}} if "settings" in template else dict(template)
    return {**out, "mappings": mappings.nested(template["mappings"])} if "mappings" in template else out


def _limit(settings: Json) -> int:
    total = settings.get("index", {}).get("mapping", {}).get("total_fields", {})
    return int(total.get("limit", 1000))
