"""The plugins of a server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from xnat.exceptions import XNATResponseError
from xnat.plugins import PluginConfiguration, Plugins
from xnat.sandbox import Sandbox, faults

ANSWER = {
    "batchLaunch": {
        "id": "batchLaunch", "name": "XNAT 1.7 Batch Launch", "version": "0.5", "beanName": "batchLaunchPlugin",
        "pluginClass": "org.nrg.BatchLaunch", "logConfigurationFile": "logback.xml",
    },
    "bare": {},
}  # fmt: skip


@pytest.fixture
def plugins(server: Sandbox, session: Any) -> Plugins:
    server.faults.add(faults.status(200, json.dumps(ANSWER)), path="^/xapi/plugins", times=None)
    found: Plugins = session.plugins
    return found


def test_server_without_plugins(session: Any) -> None:
    assert len(session.plugins) == 0
    assert list(session.plugins) == []
    assert repr(session.plugins) == "<Plugins {}>"


def test_plugins_by_id(plugins: Plugins) -> None:
    assert list(plugins) == ["batchLaunch", "bare"]
    plugin = plugins["batchLaunch"]
    assert isinstance(plugin, PluginConfiguration)
    assert (plugin.id, plugin.name, plugin.label, plugin.version) == (
        "batchLaunch", "XNAT 1.7 Batch Launch", "XNAT 1.7 Batch Launch", "0.5",
    )  # fmt: skip
    assert (plugin.plugin_class, plugin.log_file, plugin.bean_name) == (
        "org.nrg.BatchLaunch", "logback.xml", "batchLaunchPlugin",
    )  # fmt: skip
    assert plugin.cli_str == "XNAT 1.7 Batch Launch (0.5)"
    assert repr(plugin) == "<PluginConfiguration XNAT 1.7 Batch Launch (0.5)>"
    assert plugin.data["version"] == "0.5"


def test_plugin_that_tells_nothing(plugins: Plugins) -> None:
    assert (plugins["bare"].label, plugins["bare"].version, plugins["bare"].cli_str) == ("bare", None, "bare")


def test_all_plugins_cost_one_request(server: Sandbox, session: Any, plugins: Plugins) -> None:
    with server.record() as requests:
        assert [plugin.version for plugin in plugins.values()] == ["0.5", None]
        assert session.plugins["bare"]
    assert [entry.path for entry in requests] == ["/xapi/plugins"]
    session.clearcache()
    with server.record() as requests:
        assert len(session.plugins) == 2
    assert len(requests) == 1


def test_unknown_plugin_names_those_there_are(plugins: Plugins) -> None:
    with pytest.raises(KeyError, match="batchLaunch, bare"):
        plugins["no"]


def test_old_server_has_none(server: Sandbox, session: Any) -> None:
    server.faults.add(faults.status(404), path="^/xapi/plugins", times=None)
    assert dict(session.plugins) == {}


def test_answer_of_another_kind(server: Sandbox, session: Any) -> None:
    server.faults.add(faults.status(200, "[]"), path="^/xapi/plugins")
    with pytest.raises(XNATResponseError):
        len(session.plugins)
