"""Snapshots: right, or as if there were none."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat

import pytest

from tests.factories import complex_type, make_class, make_model, schema
from xnat import convert_xsd
from xnat.convert_xsd import snapshot

SERVER, STATE = "https://xnat.example.org", "1.8.9 build 3"

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XNAT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def sample(digest="d1"):
    return make_model(make_class("a:a", name="A"), digest=digest)


def stored(folder, **options):
    assert snapshot.save(SERVER, STATE, sample(**options), [schema(complex_type("a")), schema("", name="b")])
    (path,) = folder.iterdir()
    return path


def load_cold(server=SERVER, state=STATE):
    convert_xsd._cache.clear()
    return snapshot.load(server, state)


def test_a_stored_model_comes_back(folder):
    stored(folder)
    assert load_cold().to_json() == sample().to_json()


def test_its_schemas_come_back(folder):
    stored(folder)
    assert snapshot.load_documents(SERVER) == [
        schema(complex_type("a"))._replace(digest=schema(complex_type("a")).digest),
        schema("", name="b"),
    ]


def test_a_model_this_process_knows_is_not_read_again(folder):
    stored(folder)
    assert snapshot.load(SERVER, STATE) is snapshot.load(SERVER, STATE)


@pytest.mark.parametrize(("server", "state"), [("https://other", STATE), (SERVER, "1.8.10")])
def test_another_server_or_state(folder, server, state):
    stored(folder)
    assert load_cold(server, state) is None


@posix
def test_nobody_else_can_read_it(folder):
    path = stored(folder)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_every_truncation_is_noticed(folder):
    path = stored(folder)
    content = path.read_bytes()
    end = content.index(b"\n") + 1 + len(sample().to_json())
    for size in [0, 1, 10, end - 1, content.index(b"\n")]:
        path.write_bytes(content[:size])
        assert load_cold() is None
    path.write_bytes(content[:-1])
    assert snapshot.load_documents(SERVER) is None


def test_every_damage_is_noticed(folder):
    path = stored(folder)
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        found = load_cold()
        assert found is None or found.to_json() == sample().to_json()
        snapshot.load_documents(SERVER)


@posix
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_others_can_write_is_ignored(folder, mode):
    stored(folder).chmod(mode)
    assert load_cold() is None


@posix
def test_a_directory_others_can_write_is_ignored(folder):
    stored(folder)
    folder.chmod(0o777)
    assert load_cold() is None
    assert not snapshot.save(SERVER, STATE, sample())
    folder.chmod(0o700)


@posix
def test_a_symbolic_link_is_not_followed(folder, tmp_path):
    path = stored(folder)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert load_cold() is None
    snapshot.save(SERVER, STATE, sample())
    assert not path.is_symlink()
    assert load_cold() is not None


@posix
def test_a_pipe_is_not_waited_for(folder):
    path = stored(folder)
    path.unlink()
    os.mkfifo(path, 0o600)
    assert load_cold() is None


@posix
def test_a_foreign_file_is_ignored(folder, monkeypatch):
    stored(folder)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert load_cold() is None


def test_without_a_place_to_write(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XNAT_CACHE_DIR", str(tmp_path / "file"))
    assert not snapshot.save(SERVER, STATE, sample())
    assert load_cold() is None
    monkeypatch.setenv("XNAT_CACHE_DIR", str(tmp_path / "file" / "below"))
    assert not snapshot.save(SERVER, STATE, sample())
    assert snapshot.load_documents(SERVER) is None


def test_another_version_made_it(folder, monkeypatch):
    stored(folder)
    monkeypatch.setattr(snapshot, "__version__", "0")
    assert load_cold() is None


def test_forgetting(folder):
    stored(folder)
    snapshot.save("https://other", STATE, sample())
    snapshot.forget(SERVER)
    assert len(list(folder.iterdir())) == 1
    snapshot.forget()
    assert list(folder.iterdir()) == []
    snapshot.forget(SERVER)


def test_places(monkeypatch, tmp_path):
    monkeypatch.delenv("XNAT_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert snapshot.cache_directory() == tmp_path / "xnat"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert snapshot.cache_directory() == tmp_path / ".cache" / "xnat"


def _work(number):
    model = sample(digest=f"d{number}")
    for _ in range(20):
        snapshot.save(SERVER, STATE, model, [schema(complex_type("a"))])
        if load_cold() is None:
            return False
    return True


def test_many_processes_at_once(folder):
    with multiprocessing.get_context("spawn" if os.name != "posix" else "fork").Pool(4) as pool:
        assert all(pool.map(_work, range(8)))
    assert [path.suffix for path in folder.iterdir()] == [".snapshot"]


def test_a_snapshot_of_unreasonable_size_is_not_stored(folder, monkeypatch):
    monkeypatch.setattr(snapshot, "MAX_SIZE", 10)
    assert not snapshot.save(SERVER, STATE, sample(), [schema(complex_type("a"))])
    assert not folder.exists()


@pytest.mark.parametrize("size", [-1, 10**15, "12", None, 1.5])
def test_a_snapshot_that_lies_about_its_size(folder, size):
    path = stored(folder)
    head, _, rest = path.read_bytes().partition(b"\n")
    header = json.loads(head)
    header["model"]["bytes"] = size
    path.write_bytes(json.dumps(header).encode() + b"\n" + rest)
    assert load_cold() is None
