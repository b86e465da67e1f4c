"""The tables in which predictions and labels are kept.

A label belongs to a row of a request to a model, whichever versions predicted it; nothing but these keys joins the two, so that it does
not matter which of them came first.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from mlsandbox_serving.database import Database, Tables, check_version

FILE: Final = "performance.sqlite3"
_VERSION: Final = 1
_LOSS: Final = "its predictions and labels are not counted any more"

KEPT: Final = "kept"
"""The count of rows with a prediction."""
LABELS: Final = "labels"
"""The count of labels."""
REVISION: Final = "revision"
"""Grows whenever something changes that a label belongs to."""

MATCHED: Final = """EXISTS (
    SELECT 1 FROM requests JOIN sources ON sources.id = requests.source JOIN rows ON rows.request = requests.id
    WHERE requests.request = labels.request AND sources.model = labels.model AND rows.row = labels.row
)"""
"""Whether a label's prediction is there."""

_SCHEMA: Final = f"""
CREATE TABLE sources (
    id INTEGER PRIMARY KEY, model TEXT NOT NULL, version TEXT NOT NULL, kind TEXT NOT NULL, classes TEXT, UNIQUE (model, version)
);
CREATE TABLE requests (
    id INTEGER PRIMARY KEY, source INTEGER NOT NULL REFERENCES sources, request TEXT NOT NULL,
    time INTEGER NOT NULL, event BLOB NOT NULL, rows INTEGER NOT NULL, UNIQUE (request, source)
);
CREATE INDEX requests_by_time ON requests (time);
CREATE INDEX requests_by_source ON requests (source, time, rows);
CREATE TABLE rows (
    request INTEGER NOT NULL REFERENCES requests ON DELETE CASCADE, row INTEGER NOT NULL, prediction, scores BLOB,
    PRIMARY KEY (request, row)
) WITHOUT ROWID;
CREATE TABLE labels (
    request TEXT NOT NULL, row INTEGER NOT NULL, model TEXT NOT NULL, label NOT NULL,
    time INTEGER NOT NULL, sequence INTEGER NOT NULL, event BLOB NOT NULL,
    PRIMARY KEY (request, row, model)
) WITHOUT ROWID;
CREATE INDEX labels_by_time ON labels (time);
CREATE TABLE seen (number INTEGER PRIMARY KEY AUTOINCREMENT, event BLOB NOT NULL UNIQUE);
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counters VALUES ('{KEPT}', 0), ('{LABELS}', 0), ('{REVISION}', 0);

CREATE TRIGGER request_came AFTER INSERT ON requests BEGIN
    UPDATE counters SET value = value + NEW.rows WHERE name = '{KEPT}';
    UPDATE counters SET value = value + 1 WHERE name = '{REVISION}' AND EXISTS (SELECT 1 FROM labels WHERE request = NEW.request);
END;
CREATE TRIGGER request_changed AFTER UPDATE OF rows ON requests BEGIN
    UPDATE counters SET value = value + NEW.rows - OLD.rows WHERE name = '{KEPT}';
    UPDATE counters SET value = value + 1 WHERE name = '{REVISION}';
END;
CREATE TRIGGER request_went AFTER DELETE ON requests BEGIN
    UPDATE counters SET value = value - OLD.rows WHERE name = '{KEPT}';
    UPDATE counters SET value = value + 1 WHERE name = '{REVISION}' AND EXISTS (SELECT 1 FROM labels WHERE request = OLD.request);
    DELETE FROM labels WHERE request = OLD.request AND model = (SELECT model FROM sources WHERE id = OLD.source) AND NOT EXISTS (
        SELECT 1 FROM requests JOIN sources ON sources.id = requests.source
        WHERE requests.request = OLD.request AND sources.model = labels.model
    );
END;
CREATE TRIGGER label_came AFTER INSERT ON labels BEGIN
    UPDATE counters SET value = value + 1 WHERE name IN ('{LABELS}', '{REVISION}');
END;
CREATE TRIGGER label_changed AFTER UPDATE ON labels BEGIN UPDATE counters SET value = value + 1 WHERE name = '{REVISION}'; END;
CREATE TRIGGER label_went AFTER DELETE ON labels BEGIN
    UPDATE counters SET value = value - 1 WHERE name = '{LABELS}';
    UPDATE counters SET value = value + 1 WHERE name = '{REVISION}';
END;
PRAGMA user_version = {_VERSION};
"""  # noqa: S608 - names of our own


def database(folder: Path) -> Database:
    """The database of a folder; a damaged one, or one of another version, is moved aside and begun anew."""
    return Database(folder / FILE, Tables(lambda connection: check_version(connection, _VERSION), _make, _LOSS))


def _make(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    if not check_version(connection, _VERSION):
        connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
