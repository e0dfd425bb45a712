from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xnat.exceptions import XNATDownloadError
from xnat.transfer.names import original_name, resolve_inside, safe_name, safe_path

LABELS = st.text(alphabet=st.characters(), max_size=60) | st.text(alphabet="./\\%25aCON nul\0\n:~", max_size=12)


@settings(max_examples=500)
@given(LABELS, st.booleans())
def test_round_trip(label: str, windows: bool) -> None:
    name = safe_name(label, windows=windows)
    assert len(name.encode()) <= 255
    if "~" not in name or len(name.encode()) < 200:
        assert original_name(name) == label


@settings(max_examples=500)
@given(LABELS)
def test_names_are_harmless(label: str) -> None:
    name = safe_name(label, windows=True)
    assert name not in ("", ".", "..")
    assert not set(name) & set('/\\<>:"|?*')
    assert all(unicodedata.category(char) not in ("Cc", "Cs") for char in name)
    assert name[-1] not in ". "
    assert name.split(".")[0].rstrip().upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT9"}
    assert not name.lower().startswith(".xnat-")


@settings(max_examples=300)
@given(LABELS, LABELS)
def test_different_labels_get_different_names(first: str, second: str) -> None:
    assert (safe_name(first) == safe_name(second)) == (first == second)


@settings(max_examples=200)
@given(st.lists(LABELS, min_size=1, max_size=4))
def test_paths_of_safe_names_stay_inside(labels: list[str]) -> None:
    place = resolve_inside("/somewhere/target", safe_path(*labels))
    assert os.path.normpath(place) == str(place)
    assert place.is_relative_to("/somewhere/target")
    assert len(place.parts) == 3 + len(labels)


@settings(max_examples=200)
@given(st.text(min_size=200, max_size=400))
def test_long_labels_are_cut_and_stay_different(label: str) -> None:
    assert safe_name(label) != safe_name(label + "x")
    assert len(safe_name(label).encode()) <= 255


@settings(max_examples=200)
@given(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_ #%&?*'()-]{0,20}[A-Za-z0-9_]\.dcm", fullmatch=True))
def test_usual_names_are_kept_on_posix(label: str) -> None:
    name = safe_name(label, windows=False)
    if not name.startswith("%"):
        assert original_name(name) == label
        assert name == label or "%" in label


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("1.3.12.2-abc.dcm", "1.3.12.2-abc.dcm"),
        ("a b", "a b"),
        ("100%.txt", "100%.txt"),
        ("100%25.txt", "100%2525.txt"),
        ("a/b", "a%2Fb"),
        ("a\\b", "a%5Cb"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("...", "%2E.%2E"),
        ("", "%"),
        ("%", "%25"),
        ("CON", "%43ON"),
        ("nul.txt", "%6Eul.txt"),
        ("console", "console"),
        ("COM¹", "%43OM¹"),
        ("end.", "end%2E"),
        ("end ", "end%20"),
        (".hidden", ".hidden"),
        (".xnat-manifest.jsonl", "%2Exnat-manifest.jsonl"),
        ("line\nbreak", "line%0Abreak"),
        ("a\0b", "a%00b"),
        ("müller", "müller"),
        ("\ud800", "%ED%A0%80"),
    ],
)
def test_examples(label: str, name: str) -> None:
    assert safe_name(label, windows=False) == name
    assert original_name(name) == label


def test_suffix_of_a_long_name_stays() -> None:
    assert safe_name("x" * 300 + ".nii.gz").endswith(".nii.gz")


@pytest.mark.parametrize("path", ["..", "../x", "a/../../x", "/x", "", ".", "a/..", "a\0b"])
def test_bad_paths_are_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(XNATDownloadError, match="refused"):
        resolve_inside(tmp_path, path)


def test_links_inside_may_be_followed_but_not_out(tmp_path: Path) -> None:
    target = tmp_path / "target"
    (target / "real").mkdir(parents=True)
    (target / "in").symlink_to(target / "real")
    (target / "out").symlink_to(tmp_path)
    (target / "loop").symlink_to(target / "loop")
    assert resolve_inside(target, "in/x") == target / "in" / "x"
    with pytest.raises(XNATDownloadError, match="leaves"):
        resolve_inside(target, "out/x")


def test_link_loops_are_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises((XNATDownloadError, OSError)) as caught:
        resolve_inside(tmp_path, "loop/x").lstat()
    assert not isinstance(caught.value, RuntimeError)
