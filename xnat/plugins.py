"""The plugins of a server (XNAT 1.7+), as ``session.plugins``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .core.caching import caching as cached
from .core.display import CliName
from .exceptions import XNATKeyError, XNATNotFoundError, XNATResponseError

if TYPE_CHECKING:
    from collections.abc import Hashable

    from .protocols import Connection

__all__ = ["PluginConfiguration", "Plugins"]


class PluginConfiguration:
    """What a plugin tells about itself.

    :param data: the server's description
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = dict(data)

    def _text(self, name: str) -> str | None:
        value = self._data.get(name)
        return None if value in (None, "") else str(value)

    @property
    def data(self) -> dict[str, Any]:
        """All that the server tells."""
        return self._data

    @property
    def id(self) -> str | None:
        """Its ID, as ``batchLaunchPlugin``."""
        return self._text("id")

    @property
    def name(self) -> str | None:
        """Its name."""
        return self._text("name")

    @property
    def label(self) -> str | None:
        """What people call it: its name, or its ID if it has none."""
        return self.name or self.id

    @property
    def version(self) -> str | None:
        """Its version."""
        return self._text("version")

    @property
    def plugin_class(self) -> str | None:
        """The Java class that is the plugin."""
        return self._text("pluginClass")

    @property
    def log_file(self) -> str | None:
        """Where its logging is configured."""
        return self._text("logConfigurationFile")

    @property
    def bean_name(self) -> str | None:
        """Its name among the server's beans."""
        return self._text("beanName")

    @property
    def cli_str(self) -> CliName:
        """What the command line calls it. Scripts for 0.8 call it, ``cli_str()``, which gives the same text."""
        return CliName(f"{self.label} ({self.version})" if self.version else str(self.label))

    def __repr__(self) -> str:
        return f"<PluginConfiguration {self.cli_str}>"


class Plugins(Mapping[str, PluginConfiguration]):
    """The plugins of a server, by ID. One GET for all of them when first looked at, then cached.

    XNAT 1.6 has no plugins: the mapping is empty there.
    """

    uri = "/xapi/plugins"

    def __init__(self, xnat_session: Connection) -> None:
        self._session = xnat_session
        self._cache: dict[str, tuple[Hashable, Any]] = {}
        self._generation = 0

    @property
    def xnat_session(self) -> Connection:
        """The session it belongs to."""
        return self._session

    @property
    def caching(self) -> bool:
        """Whether the list is kept; the session's setting."""
        return self._session.caching

    def clearcache(self) -> None:
        """Forget the list; the next look asks the server again."""
        self._generation += 1

    def _stamp(self) -> Hashable:
        return (self._session.registry.stamp()[0], self._generation)

    @property
    def data(self) -> dict[str, PluginConfiguration]:
        """The plugins by ID."""
        return self._plugins()

    @cached
    def _plugins(self) -> dict[str, PluginConfiguration]:
        try:
            answer = self._session.get_json(self.uri)
        except XNATNotFoundError:
            return {}
        if not isinstance(answer, Mapping) or not all(isinstance(facts or {}, Mapping) for facts in answer.values()):
            raise XNATResponseError(
                f"{self.uri}: asked for plugins, but the server's answer is no object of objects", url=self.uri
            )
        return {id_: PluginConfiguration({"id": id_, **(facts or {})}) for id_, facts in answer.items()}

    def __getitem__(self, id_: str) -> PluginConfiguration:
        try:
            return self.data[id_]
        except KeyError:
            there = ", ".join(self.data) or "none"
            raise XNATKeyError(f"The server has no plugin {id_!r}; it has {there}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(list(self.data))

    def __len__(self) -> int:
        return len(self.data)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self.data)

    def __repr__(self) -> str:
        return f"<Plugins {{{', '.join(f'{id_!r}: {plugin!r}' for id_, plugin in self.data.items())}}}>"
