"""Fixed names and numbers that several parts of the package agree on, for scripts that need the same ones.

None of them is a setting: ``connect()`` has arguments for what can be chosen.
"""

from __future__ import annotations

__all__ = [
    "ARCHIVE_URI",
    "CHUNK_SIZE",
    "CONNECT_TIMEOUT",
    "EXPIRATION_COOKIE",
    "HEARTBEAT_INTERVAL",
    "HEARTBEAT_TIMEOUT",
    "READ_TIMEOUT",
    "SESSION_COOKIE",
]

#: REST path of the archive, as ``session.uri``.
ARCHIVE_URI = "/data/archive"
#: The cookie whose value is the ID of the server's session; who has it is logged in.
SESSION_COOKIE = "JSESSIONID"
#: The cookie in which the server says when its session ends, see ``session.session_expiration_time``.
EXPIRATION_COOKIE = "SESSION_EXPIRATION_TIME"

#: Seconds to wait for a connection, unless told otherwise.
CONNECT_TIMEOUT = 12.0
#: Seconds of silence to bear while waiting for an answer, or between two parts of it, unless told otherwise.
READ_TIMEOUT = 300.0
#: Seconds between heartbeats, at most: a minute less than XNAT's default limit.
HEARTBEAT_INTERVAL = 14 * 60.0
#: Seconds to wait for the answer to a heartbeat.
HEARTBEAT_TIMEOUT = 10.0

#: Bytes that a download takes at a time.
CHUNK_SIZE = 524288
