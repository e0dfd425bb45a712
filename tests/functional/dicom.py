"""Real DICOM files, packed as scanners' software does it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pydicom.data

DICOM = Path(pydicom.data.__file__).parent / "test_files"
MR, CT = "MR_small.dcm", "CT_small.dcm"


def packed(*names: str) -> bytes:
    """A zip file with these files of pydicom's."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names or (MR,):
            archive.write(DICOM / name, Path(name).name)
    return out.getvalue()


def zip_file(folder: Path, *names: str) -> Path:
    """The same as a file on disk."""
    path = folder / "archive.zip"
    path.write_bytes(packed(*names))
    return path
