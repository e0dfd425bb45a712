"""URIs: whatever a label holds, it stays one segment, is read back, and is quoted once."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from xnat import uris
from xnat.exceptions import XNATValueError

ROOT = "https://xnat.example.org/xnat"

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)
values = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts)
def test_quote_is_undone_by_unquote(segment: str) -> None:
    assert uris.unquote(uris.quote(segment)) == segment


@given(texts)
def test_a_quoted_segment_is_one_segment_of_safe_characters(segment: str) -> None:
    quoted = uris.quote(segment)
    assert quoted.isascii()
    assert not set(quoted) & set("/?#[]@!$&'()*+,;= \\")
    assert quoted not in (".", "..")


@given(st.lists(texts, min_size=1))
def test_join_is_undone_by_split(segments: list[str]) -> None:
    uri = uris.join("/data/projects", *segments)
    assert uris.split(uri) == ["data", "projects", *segments]
    assert uris.split(uris.parent(uri)) == ["data", "projects", *segments[:-1]]


@given(st.lists(texts, min_size=1))
def test_canonical_and_requote_leave_quoted_uris_alone(segments: list[str]) -> None:
    uri = uris.join("/data/projects", *segments)
    assert uris.canonical(uri) == uri
    assert uris.requote(uri) == uri


@given(texts.filter(lambda text: "?" not in text))
@example("%80\xa0")
@example("%80 ")
@example("%00")
@example("%80%zz")
def test_raw_paths_become_valid_and_are_not_quoted_twice(text: str) -> None:
    try:
        once = uris.requote("/data/projects/" + text)
    except XNATValueError:
        # An escape can hide what no path can hold.
        assert re.search("%[01][0-9A-Fa-f]|%7[Ff]|%[Cc]2%[89][0-9A-Fa-f]", text)
        return
    assert once.isascii()
    assert " " not in once
    assert uris.requote(once) == once
    assert uris.canonical(uris.canonical("/data/projects/" + text)) == uris.canonical("/data/projects/" + text)


@given(st.dictionaries(values.filter(bool), st.one_of(values, st.lists(values, min_size=1)), max_size=4))
def test_query_is_read_back_by_a_server(query: dict[str, str | list[str]]) -> None:
    expected = [(key, item) for key, value in query.items() for item in ([value] if isinstance(value, str) else value)]
    url = uris.with_query("/data/x", query)
    assert parse_qsl(urlsplit(url).query, keep_blank_values=True) == expected


@pytest.mark.parametrize(
    ("segment", "quoted"),
    [
        ("scan#1.dcm", "scan%231.dcm"),
        ("a?b.txt", "a%3Fb.txt"),
        ("a/b", "a%2Fb"),
        ("100%", "100%25"),
        ("%41", "%2541"),
        ("a b", "a%20b"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("...", "..."),
        ("Zoë", "Zo%C3%AB"),
        ("~-_.", "~-_."),
        ("a+b", "a%2Bb"),
    ],
)
def test_quote(segment: str, quoted: str) -> None:
    assert uris.quote(segment) == quoted


@pytest.mark.parametrize("segment", ["a\x00b", "a\nb", "\x7f", "\x85", "\ud800", "a\udfffb", ""])
def test_what_cannot_be_a_segment_is_refused(segment: str) -> None:
    with pytest.raises(XNATValueError):
        uris.quote(segment)


def test_an_empty_label_never_addresses_the_whole_listing() -> None:
    with pytest.raises(XNATValueError, match="whole listing"):
        uris.join("/data/projects", "")


def test_join_keeps_a_query_at_the_end() -> None:
    assert uris.join("/data/projects/?format=json", "a b") == "/data/projects/a%20b?format=json"


def test_unquote_of_another_charset() -> None:
    assert uris.unquote("caf%E9") == "café"


@pytest.mark.parametrize(
    ("raw", "valid"),
    [
        ("/data/projects/a b/..", "/data/projects/a%20b/%2E%2E"),
        ("/data/projects/a%20b", "/data/projects/a%20b"),
        ("/data/projects/100%", "/data/projects/100%25"),
        ("/data/projects/a#b", "/data/projects/a%23b"),
        ("/data/projects?format=json", "/data/projects?format=json"),
        ("/data/projects?a=b c&d=é", "/data/projects?a=b%20c&d=%C3%A9"),
        ("/data/projects?a=%2Fx&b=100%", "/data/projects?a=%2Fx&b=100%25"),
        ("/xapi/plugins/", "/xapi/plugins/"),
        ("/data/projects/%e9", "/data/projects/%e9"),
        ("/", "/"),
    ],
)
def test_requote(raw: str, valid: str) -> None:
    assert uris.requote(raw) == valid


@pytest.mark.parametrize("raw", ["/data/\x00", "/data/a\r\nHost: evil", "/data/\ud800"])
def test_paths_that_cannot_be_sent_are_refused(raw: str) -> None:
    with pytest.raises(XNATValueError):
        uris.requote(raw)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/data/archive/projects/P", "/data/projects/P"),
        ("/REST/projects/P", "/data/projects/P"),
        ("/REST/archive/subjects/S/", "/data/subjects/S"),
        ("/data/archive/scan_types", "/data/scan_types"),
        ("/data/archive", "/data/archive"),
        ("/data/archive/resources/1", "/data/archive/resources/1"),
        ("/data/prearchive/projects/P", "/data/prearchive/projects/P"),
        ("/data/projects/archive/subjects", "/data/projects/archive/subjects"),
        ("/data/projects/a b", "/data/projects/a%20b"),
        ("/data/projects/a%20b", "/data/projects/a%20b"),
        ("/data/projects/%7ex", "/data/projects/~x"),
        ("/data/projects//P///", "/data/projects/P"),
        ("/data/projects/P?format=json", "/data/projects/P"),
        (ROOT + "/data/archive/projects/P", "/data/projects/P"),
        ("HTTPS://XNAT.Example.org:443/xnat/REST/projects/P", "/data/projects/P"),
        ("/xnat/data/projects/P", "/data/projects/P"),
        (ROOT, "/"),
    ],
)
def test_canonical(path: str, expected: str) -> None:
    assert uris.canonical(path, ROOT) == expected


@pytest.mark.parametrize(
    "path",
    [
        "data/projects",
        "https://evil.example.org/xnat/data/projects",
        "http://xnat.example.org/xnat/data/projects",
        "https://xnat.example.org/xnat2/data/projects",
        "https://xnat.example.org.evil.org/xnat/data",
        "https://xnat.example.org@evil.org/xnat/data",
        "https://xnat.example.org:8443/xnat/data",
        "",
    ],
)
def test_canonical_refuses_what_is_not_of_this_server(path: str) -> None:
    with pytest.raises(XNATValueError, match="should start with a /"):
        uris.canonical(path, ROOT)


def test_canonical_hides_what_it_refuses() -> None:
    with pytest.raises(XNATValueError) as caught:
        uris.canonical("http://me:secret@host/data?label=Jane")
    assert "secret" not in str(caught.value)
    assert "Jane" not in str(caught.value)


def test_with_query_replaces_the_same_keys_and_keeps_others() -> None:
    assert uris.with_query("/x?format=csv&a=1", {"format": "json"}) == "/x?a=1&format=json"
    assert uris.with_query("/x?a=1", None) == "/x?a=1"
    assert uris.with_query("/x", {"a": None}) == "/x"  # type: ignore[dict-item]


def test_query_dicts_are_not_changed() -> None:
    query = {"a": ["1", "2"]}
    assert uris.with_query("/x", query) == "/x?a=1&a=2"
    assert query == {"a": ["1", "2"]}


def test_redact_shows_no_values_and_no_credentials() -> None:
    assert uris.redact("http://me:pw@h/data?label=Jane&label=Doe&x=1") == "http://h/data?label&x"


@pytest.mark.parametrize(
    ("server", "root"),
    [
        ("http://host/", "http://host"),
        (" https://Host:8443/xnat/ ", "https://host:8443/xnat"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://bücher.example", "http://xn--bcher-kva.example"),
        ("http://host/x?y#z", "http://host/x"),
    ],
)
def test_root(server: str, root: str) -> None:
    assert uris.root(server) == root


@pytest.mark.parametrize("server", ["host", "ftp://host", "http://", "http://host:port", "", "file:///etc"])
def test_root_refuses_what_is_no_server(server: str) -> None:
    with pytest.raises(XNATValueError, match="http://host or https://host"):
        uris.root(server)


def test_root_refuses_a_password_without_showing_it() -> None:
    with pytest.raises(XNATValueError, match="separate arguments") as caught:
        uris.root("http://me:secret@host")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("/data/projects/P/resources/R/files/a.txt", ("/data/projects/P/resources/R", "a.txt")),
        ("/data/projects/P/resources/R/files/a/b%20c", ("/data/projects/P/resources/R", "a/b%20c")),
        ("/data/projects/files/resources/R/files/a", ("/data/projects/files/resources/R", "a")),
        ("/data/projects/files/subjects/files/files/a", ("/data/projects/files/subjects/files", "a")),
        ("/data/projects/P/resources/files/files/files/a", ("/data/projects/P/resources/files", "files/a")),
        ("/data/experiments/E/scans/files/resources/1/files/x", ("/data/experiments/E/scans/files/resources/1", "x")),
        ("/archive/experiments/E/assessors/A/out/resources/1/files/x?y#z",
         ("/archive/experiments/E/assessors/A/out/resources/1", "x?y#z")),
        ("/data/experiments/E/reconstructions/out/in/files/x", ("/data/experiments/E/reconstructions/out/in", "x")),
        ("/data/prearchive/projects/files/files/files/scans/1/resources/D/files/x",
         ("/data/prearchive/projects/files/files/files/scans/1/resources/D", "x")),
        ("/data/user/cache/resources/R/files/x", ("/data/user/cache/resources/R", "x")),
        ("/data/projects/files", None),
        ("/data/projects/P/files", None),
        ("/data/projects/P/files/", None),
        ("/data/projects/files/subjects/S", None),
        ("/data/projects/P/resources/files", None),
        ("/somewhere/else", None),
    ],
)  # fmt: skip
def test_files_are_told_from_things_named_files(uri: str, expected: tuple[str, str] | None) -> None:
    assert uris.split_at_files(uri) == expected
