"""Content for the benchmarks, put straight into the sandbox's store, and schemas for it to serve."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xnat.sandbox import Sandbox
from xnat.sandbox.items import Item
from xnat.sandbox.store import Record

from .environments import ROOT

SHARED = ROOT.parent / "shared" / "schemas"
OWN = ROOT / "xnat" / "sandbox" / "schemas"
BLOCK = 1 << 20
WHEN = "2020-01-01 12:00:00.0"


# -- what is in the store ---------------------------------------------------------------------------------------------


def subjects(sandbox: Sandbox, project: str = "many", count: int = 1000) -> int:
    """A project with many subjects."""
    store = sandbox.store
    store.archive.create_project(project)
    document = Item("xnat:subjectData").to_json()
    with store.transaction():
        for number in range(count):
            store.database.insert(
                "objects", kind="subject", id=f"XNAT_S{500000 + number}", project=project,
                label=f"subject_{number:06d}", xsi_type="xnat:subjectData", insert_user="admin", insert_date=WHEN,
                last_modified=WHEN, doc=document,
            )  # fmt: skip
    return count


def sessions(sandbox: Sandbox, project: str = "tree", count: int = 20, scans: int = 5) -> int:
    """A project with sessions of scans, without files."""
    for _ in _sessions(sandbox, project, count, scans):
        pass
    return count * scans


def tree(sandbox: Sandbox, project: str = "files", count: int = 20, files: int = 100, size: int = 200_000) -> int:
    """A project with sessions of one scan each, with files in it; their bytes."""
    store = sandbox.store
    for number, (_, made) in enumerate(_sessions(sandbox, project, count, 1)):
        kept = store.files.create_resource(made[0], "DICOM", format="DICOM", content="RAW")
        for file in range(files):
            store.files.write(kept, f"{file:04d}.dcm", _noise(number * files + file, size))
    return count * files * size


def big(sandbox: Sandbox, project: str = "big", files: int = 4, size: int = 256 << 20) -> int:
    """A project with one session that has large files; their bytes."""
    ((_, made),) = _sessions(sandbox, project, 1, 1)
    kept = sandbox.store.files.create_resource(made[0], "RAW")
    for number in range(files):
        sandbox.store.files.write(kept, f"{number}.bin", _pieces(number, size))
    return files * size


def resource(sandbox: Sandbox, project: str, label: str) -> dict[str, Any]:
    """A new, empty resource of the project's first scan; where it is."""
    archive = sandbox.store.archive
    session = archive.experiments(project=project)[0]
    scan = archive.scans(session)[0]
    sandbox.store.files.create_resource(scan, label)
    return {"session": session.label, "scan": scan.id, "label": label}


def _sessions(sandbox: Sandbox, project: str, count: int, scans: int) -> Iterator[tuple[Record, list[Record]]]:
    archive = sandbox.store.archive
    archive.create_project(project)
    made = []
    with sandbox.store.transaction():
        for number in range(count):
            subject = archive.create_subject(project, f"subject_{number:04d}")
            item = Item("xnat:mrSessionData", {"date": "2020-01-01"})
            session = archive.create_experiment(subject, f"session_{number:04d}", "xnat:mrSessionData", item=item)
            made.append((session, [_scan(sandbox, session, scan) for scan in range(1, scans + 1)]))
    yield from made


def _scan(sandbox: Sandbox, session: Record, number: int) -> Record:
    fields: dict[str, Any] = {
        "type": "T1" if number % 2 else "T2", "quality": "usable", "series_description": f"series {number}",
        "note": f"note {number}", "frames": number * 10,
    }  # fmt: skip
    return sandbox.store.archive.create_scan(
        session, str(number), "xnat:mrScanData", item=Item("xnat:mrScanData", fields)
    )


def _noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def _pieces(seed: int, size: int) -> Iterator[bytes]:
    block = _noise(seed, BLOCK)
    for start in range(0, size, BLOCK):
        yield block[: min(BLOCK, size - start)]


# -- schemas ----------------------------------------------------------------------------------------------------------


def core_schemas() -> Path:
    """XNAT 1.8's own schemas if they are at hand, else the sandbox's compact ones."""
    return SHARED / "xnat-1.8" if (SHARED / "xnat-1.8").is_dir() else OWN


def schemas_with_plugins(folder: Path) -> Path | None:
    """The core schemas and every well-formed one of the plug-ins, in ``folder``."""
    if not (SHARED / "plugins").is_dir():
        return None
    entries = {name: core_schemas() / path for name, path in index(core_schemas()).items()}
    plugins = index(SHARED / "plugins")
    entries |= {name: SHARED / "plugins" / path for name, path in plugins.items() if "malformed" not in path}
    return _collect(folder, entries)


def schemas_with_types(folder: Path, count: int) -> Path:
    """The core schemas and one generated plug-in of ``count`` types, in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    generated = folder / "generated.xsd"
    generated.write_text(_plugin(count), encoding="utf-8")
    entries = {name: core_schemas() / path for name, path in index(core_schemas()).items()}
    return _collect(folder, {**entries, "generated": generated})


def index(folder: Path) -> dict[str, str]:
    """Name and path of each schema of a folder."""
    lines = (folder / "index.tsv").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t")[:2] for line in lines if "\t" in line and not line.startswith("#"))


def _collect(folder: Path, entries: dict[str, Path]) -> Path:
    target = folder / "served"
    target.mkdir(parents=True)
    lines = []
    for number, (name, source) in enumerate(entries.items()):
        shutil.copyfile(source, target / f"{number}.xsd")
        lines.append(f"{name}\t{number}.xsd\n")
    (target / "index.tsv").write_text("".join(lines), encoding="utf-8")
    return target


def _plugin(count: int) -> str:
    bases = ["xnat:subjectAssessorData", "xnat:imageAssessorData", "xnat:mrSessionData", "xnat:imageScanData"]
    types = ["string", "integer", "float", "boolean", "date", "dateTime"]
    parts = [
        '<xs:schema targetNamespace="http://example.org/gen" xmlns:gen="http://example.org/gen" '
        'xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:xdat="http://nrg.wustl.edu/xdat" '
        'xmlns:xs="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified" attributeFormDefault="unqualified">'
        '<xs:import namespace="http://nrg.wustl.edu/xnat" schemaLocation="../xnat/xnat.xsd"/>'
    ]
    for number in range(count):
        fields = "".join(
            f'<xs:element name="field{field}" type="xs:{types[(number + field) % len(types)]}" minOccurs="0"/>'
            for field in range(8)
        )
        parts.append(
            f'<xs:element name="Type{number}" type="gen:type{number}Data"/>'
            f'<xs:complexType name="type{number}Data"><xs:annotation><xs:documentation>Generated type {number}'
            f'</xs:documentation></xs:annotation><xs:complexContent><xs:extension base="{bases[number % len(bases)]}">'
            f'<xs:sequence>{fields}<xs:element name="part" minOccurs="0"><xs:complexType><xs:sequence>'
            f'<xs:element name="value" type="xs:float" minOccurs="0"/></xs:sequence></xs:complexType></xs:element>'
            f"</xs:sequence></xs:extension></xs:complexContent></xs:complexType>"
        )
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + "\n".join([*parts, "</xs:schema>\n"])
