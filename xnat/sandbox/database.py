"""The sandbox's tables, and the one locked sqlite connection everything goes through."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Database", "Row"]

Row = sqlite3.Row

# objects: projects, subjects, experiments, assessors, scans and reconstructions in one table, so that shares,
# resources and custom fields point at any of them by its key. What every listing asks for has a column of its own;
# all other fields are in `doc` (see items.Item).
SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    key INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL, project TEXT NOT NULL DEFAULT '',
    label TEXT NOT NULL DEFAULT '', parent INTEGER, xsi_type TEXT NOT NULL DEFAULT '', date TEXT NOT NULL DEFAULT '',
    insert_user TEXT NOT NULL DEFAULT '', insert_date TEXT NOT NULL DEFAULT '',
    last_modified TEXT NOT NULL DEFAULT '', status TEXT NOT NULL DEFAULT 'active', doc TEXT NOT NULL DEFAULT '{}');
CREATE INDEX IF NOT EXISTS objects_id ON objects (kind, id);
CREATE INDEX IF NOT EXISTS objects_label ON objects (project, kind, label);
CREATE INDEX IF NOT EXISTS objects_parent ON objects (parent, kind, id);
CREATE TABLE IF NOT EXISTS history (key INTEGER, changed TEXT, changed_by TEXT, doc TEXT);
CREATE INDEX IF NOT EXISTS history_key ON history (key);
CREATE TABLE IF NOT EXISTS shares (
    key INTEGER PRIMARY KEY AUTOINCREMENT, object INTEGER NOT NULL, project TEXT NOT NULL, label TEXT NOT NULL,
    UNIQUE (object, project));
CREATE INDEX IF NOT EXISTS shares_project ON shares (project, label);
CREATE TABLE IF NOT EXISTS project_names (project TEXT, kind TEXT, name TEXT COLLATE NOCASE);
CREATE INDEX IF NOT EXISTS project_names_name ON project_names (name);
CREATE TABLE IF NOT EXISTS resources (
    key INTEGER PRIMARY KEY AUTOINCREMENT, owner INTEGER NOT NULL, direction TEXT NOT NULL DEFAULT '',
    label TEXT NOT NULL DEFAULT '', xsi_type TEXT NOT NULL, format TEXT NOT NULL DEFAULT '',
    content TEXT NOT NULL DEFAULT '', description TEXT NOT NULL DEFAULT '', tags TEXT NOT NULL DEFAULT '',
    insert_user TEXT NOT NULL DEFAULT '', insert_date TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS resources_owner ON resources (owner, direction, label);
CREATE TABLE IF NOT EXISTS files (
    key INTEGER PRIMARY KEY AUTOINCREMENT, resource INTEGER NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL,
    digest TEXT NOT NULL DEFAULT '', format TEXT NOT NULL DEFAULT '', content TEXT NOT NULL DEFAULT '',
    tags TEXT NOT NULL DEFAULT '', modified REAL NOT NULL, stored TEXT NOT NULL, registered INTEGER NOT NULL DEFAULT 1,
    UNIQUE (resource, path));
CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY AUTOINCREMENT, login TEXT UNIQUE NOT NULL, password TEXT NOT NULL DEFAULT '',
    firstname TEXT NOT NULL DEFAULT '', lastname TEXT NOT NULL DEFAULT '', email TEXT NOT NULL DEFAULT '',
    admin INTEGER NOT NULL DEFAULT 0, enabled INTEGER NOT NULL DEFAULT 1);
CREATE TABLE IF NOT EXISTS members (project TEXT, login TEXT, role TEXT, UNIQUE (project, login));
CREATE TABLE IF NOT EXISTS tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT, alias TEXT UNIQUE, secret TEXT, login TEXT, created INTEGER,
    expires INTEGER, enabled INTEGER NOT NULL DEFAULT 1);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS prearchive (
    key INTEGER PRIMARY KEY AUTOINCREMENT, project TEXT NOT NULL DEFAULT '', timestamp TEXT NOT NULL,
    lastmod TEXT NOT NULL DEFAULT '', uploaded TEXT NOT NULL DEFAULT '', scan_date TEXT NOT NULL DEFAULT '',
    scan_time TEXT NOT NULL DEFAULT '', subject TEXT NOT NULL DEFAULT '', folderName TEXT NOT NULL DEFAULT '',
    name TEXT NOT NULL DEFAULT '', tag TEXT NOT NULL DEFAULT '', status TEXT NOT NULL DEFAULT 'RECEIVING',
    url TEXT NOT NULL DEFAULT '', autoarchive TEXT NOT NULL DEFAULT 'Manual',
    prevent_anon TEXT NOT NULL DEFAULT 'false',
    prevent_auto_commit TEXT NOT NULL DEFAULT 'false', SOURCE TEXT NOT NULL DEFAULT '', VISIT TEXT NOT NULL DEFAULT '',
    PROTOCOL TEXT NOT NULL DEFAULT '', TIMEZONE TEXT NOT NULL DEFAULT '', extra TEXT NOT NULL DEFAULT '{}');
CREATE TABLE IF NOT EXISTS documents (
    key INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, owner TEXT NOT NULL, name TEXT NOT NULL,
    version INTEGER NOT NULL, contents TEXT NOT NULL, status TEXT NOT NULL, user TEXT NOT NULL, reason TEXT NOT NULL,
    created TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS documents_name ON documents (kind, owner, name, version);
"""


class Database:
    """One connection, one lock: short statements only, so that threads never wait long for each other."""

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._connection = sqlite3.connect(
            str(path) if path else ":memory:", check_same_thread=False, isolation_level=None, cached_statements=256
        )
        self._connection.row_factory = sqlite3.Row
        if path:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(SCHEMA)

    def rows(self, sql: str, *values: Any) -> list[Row]:
        """Every row of a query."""
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, *values: Any) -> Row | None:
        """The first row of a query, or None."""
        with self._lock:
            row: Row | None = self._connection.execute(sql, values).fetchone()
            return row

    def value(self, sql: str, *values: Any) -> Any:
        """The first cell of the first row, or None."""
        row = self.row(sql, *values)
        return row[0] if row else None

    def run(self, sql: str, *values: Any) -> int:
        """Execute a statement; the key of the row it inserted."""
        with self._lock:
            return self._connection.execute(sql, values).lastrowid or 0

    def insert(self, table: str, **values: Any) -> int:
        """Insert a row; its key. Table and column names come from the code, never from a request."""
        names = ", ".join(values)
        marks = ", ".join("?" * len(values))
        # S608: see the docstring
        return self.run(f"INSERT INTO {table} ({names}) VALUES ({marks})", *values.values())  # noqa: S608

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and one thread at a time; nests."""
        with self._lock:
            outermost = self._depth == 0
            if outermost:
                self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                if outermost:
                    self._connection.execute("ROLLBACK")
                raise
            else:
                if outermost:
                    self._connection.execute("COMMIT")
            finally:
                self._depth -= 1

    def count(self, name: str, floor: int = 0) -> int:
        """The next number of the counter ``name``, larger than ``floor``; numbers are never used twice."""
        with self.transaction():
            number = max(int(self.value("SELECT value FROM counters WHERE name = ?", name) or 0), floor) + 1
            self.run("INSERT OR REPLACE INTO counters (name, value) VALUES (?, ?)", name, number)
            return number

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()
