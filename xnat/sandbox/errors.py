"""What the sandbox raises to refuse a request: a status and the sentence the client gets to read."""

from __future__ import annotations

__all__ = ["Refused"]


class Refused(Exception):  # noqa: N818 - not an error of the sandbox: an answer
    """The request cannot be granted; ``app`` turns this into a status page."""

    def __init__(self, status: int, message: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.headers = headers or {}
