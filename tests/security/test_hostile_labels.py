"""Labels, file names and addresses that a server gives: none chooses a path outside of the target, or another request.

The encoders alone are in tests/unit/test_uris.py and tests/unit/transfer/test_names.py; here a server uses such labels
for everything, and a script downloads it all.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from xnat.exceptions import XNATError
from xnat.sandbox import Sandbox, faults

LABELS = [
    "plain", "a b", " leading", "trailing ", "a%2Fb", "100%", "%", "%%", "%00", "a#b", "a?b=c", "a&b", "a;b", "a[1]", "a=b",
    "a+b", "a/b", "/a", "a/", "//", "/", "a\\b", "\\\\server\\share", "C:", "C:\\Windows", ".", "..", "...", "../..",
    "../../../../../../tmp/evil", "..\\..\\evil", "....//....//evil", ".hidden", ".ssh/authorized_keys", "~", "~root", "-rf",
    "--help", "$HOME", "`id`", "$(id)", "a|b", "a>b", "a*b", 'a"b', "a'b", "CON", "nul.txt", "COM1", "aux", "a.", "a:b",
    "a::$DATA", "a\0b", "a\nb", "a\r\nX: y", "\x1b[2J", "\x7f", "\u202eevil", "é", "e\u0301", "ß", "İ", "日本語", "😀",
    "\ud800", "x" * 256, "ü" * 200, "x" * 5000, "a/" * 1000, ".xnat-manifest.jsonl", ".xnat-transfer", "NULL", "null", "None",
    "undefined", "{0}", "%s%n", "<b>", "{{7*7}}", "\ufeff", "\u200b", "𝒳",
]  # fmt: skip


def rows(*found: dict[str, str]) -> str:
    return json.dumps({"ResultSet": {"Result": list(found), "totalRecords": str(len(found))}})


@pytest.mark.parametrize("label", LABELS, ids=[ascii(label)[:40] for label in LABELS])
def test_everything_has_such_a_label(hostile: Sandbox, session: Any, kept_inside: Path, label: str) -> None:
    """Project, subject, session, scan type, resource and file of that name are downloaded: below the target, or not."""
    add = hostile.faults.add

    def say(path: str, text: str) -> None:
        add(faults.status(200, text, {"Content-Type": "application/json"}), path=path, method="GET", times=None)

    address = "/data/experiments/XNAT_E1/scans/1/resources/7/files/" + label
    files = rows({"Name": label, "URI": address, "Size": "4", "collection": label, "cat_ID": "7", "digest": ""},
                 {"Name": "good", "URI": "/data/experiments/XNAT_E1/scans/1/resources/7/files/good", "Size": "4", "collection": label})  # fmt: skip
    add(faults.status(404), query="format=zip", times=None)
    say("/files$", files)
    say("/files/", "data")
    say(
        "/scans$",
        rows({"ID": "1", "type": label, "xsiType": "xnat:mrScanData", "URI": "/data/experiments/XNAT_E1/scans/1"}),
    )
    say("/assessors$", rows())
    say("/reconstructions$", rows())
    say("/resources$", rows({"xnat_abstractresource_id": "7", "label": label, "element_name": "xnat:resourceCatalog"}))
    say("/experiments$", rows({"ID": "XNAT_E1", "label": label, "xsiType": "xnat:mrSessionData", "project": label,
                               "URI": "/data/experiments/XNAT_E1", "subject_ID": "XNAT_S1"}))  # fmt: skip
    say("/subjects$", rows({"ID": "XNAT_S1", "label": label, "project": label, "URI": "/data/subjects/XNAT_S1"}))
    for kind, path in (("subject", "XNAT_S1"), ("mrSession", "XNAT_E1")):
        item = {
            "meta": {"xsi:type": f"xnat:{kind}Data", "isHistory": False},
            "data_fields": {"ID": path, "label": label},
            "children": [],
        }
        say(f"/{path}$", json.dumps({"items": [item]}))
    subject = session.create_object(
        "/data/subjects/XNAT_S1", "xnat:subjectData", datafields={"ID": "XNAT_S1", "label": label}
    )
    experiment = session.create_object(
        "/data/experiments/XNAT_E1", "xnat:mrSessionData", datafields={"ID": "XNAT_E1", "label": label, "project": "P"}
    )
    for download in (
        lambda: subject.download_dir(kept_inside, verbose=False),
        lambda: experiment.download_dir(kept_inside, verbose=False),
        lambda: experiment.scans["1"].download_dir(kept_inside, verbose=False),
        lambda: experiment.resources["7"].download_dir(kept_inside, verbose=False),
    ):
        try:
            download()
        except XNATError as error:
            assert str(error)
    for thing in (subject, experiment):
        with contextlib.suppress(XNATError):
            repr(thing)
            thing._repr_html_()
    assert not any(path.is_symlink() for path in kept_inside.rglob("*"))


ADDRESSES = ["", "/", "x", "/data", "//evil.example/files/x", "http://evil.example/data/files/x", "/data/x", "/files/", "/files/..",
             "/data/experiments/E/resources/7/files/../../../../../../x", "/data/../files/x", "/data/a?b=/files/x", "/data/a#/files/x",
             "/data/%2e%2e/files/%2e%2e%2fx", "/data/x/files/\0", "/data/x/files/a\r\nb", "/data/x/files/" + "a/" * 2000,
             "\\\\evil\\files\\x", "javascript:/files/x", "/data/x/files//x", "/data/x/files/./x", "/data/x/files/\ud800"]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES, ids=[ascii(address)[:40] for address in ADDRESSES])
def test_addresses_of_files(hostile: Sandbox, session: Any, kept_inside: Path, address: str) -> None:
    """What a listing says is a file's address is asked of this server only, and lands below the target."""
    listed = rows({"Name": "x", "URI": address, "Size": "4", "collection": "R", "cat_ID": "7"})
    hostile.faults.add(faults.status(404), query="format=zip", times=None)
    hostile.faults.add(faults.status(200, listed, {"Content-Type": "application/json"}), path="/files$", times=None)
    hostile.faults.add(faults.status(200, "data", {"Content-Type": "text/plain"}), path="/files/", times=None)
    experiment = session.create_object(
        "/data/experiments/XNAT_E2", "xnat:mrSessionData", datafields={"label": "E2", "project": "P"}
    )
    with hostile.record() as seen:
        for use in (
            lambda: experiment.files.values(),
            lambda: repr(experiment.files),
            lambda: [file.download(kept_inside / "one", verbose=False) for file in experiment.files.values()],
            lambda: experiment.download_dir(kept_inside, verbose=False),
        ):
            try:
                use()
            except XNATError as error:
                assert str(error)
    assert all(".." not in entry.path.split("/") for entry in seen)


@pytest.mark.parametrize("label", LABELS, ids=[ascii(label)[:40] for label in LABELS])
def test_labels_that_a_script_passes_on(hostile: Sandbox, session: Any, label: str) -> None:
    """A label becomes one segment of a path and one value of a query: the server hears it as it is, or an error says so."""
    with hostile.record() as seen:
        for use in (
            lambda: session.projects[label],
            lambda: session.create_object(f"/data/projects/P/subjects/{label}", "xnat:subjectData").uri,
            lambda: session.projects["P"].subjects.filter(label=label).keys(),
            lambda: session.classes.SubjectData(parent=session.projects["P"], label=label).delete(),
        ):
            try:
                use()
            except XNATError as error:
                assert str(error)
    for entry in seen:
        assert entry.path.startswith(
            ("/data/projects", "/data/archive/projects", "/data/subjects", "/data/JSESSION")
        ), entry.path
    assert "P" in session.projects
