"""The classes of a server's data model without the server: to read their documentation, write stubs, plan a script."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from . import uris
from .connection import classes_of
from .convert_xsd import convert, snapshot
from .convert_xsd.model import SchemaDocument
from .exceptions import XNATSchemaError

if TYPE_CHECKING:
    from .convert_xsd.load import ModelModule

__all__ = ["load_model"]


def load_model(path: str | os.PathLike[str]) -> ModelModule:
    """The classes of a data model, not connected to any server.

    ::

        model = xnat.load_model('https://xnat.example.com')      # connected to before; no request now
        help(model.MrScanData)
        xnat.convert_xsd.stubs.write(model, 'typings/')

    The classes have their fields, documentation and search terms. What would need a server raises
    :class:`~xnat.exceptions.XNATNotConnectedError`.

    :param path: the address of a server that was connected to before, whose schemas are in the cache; or a file of that
        cache; or a folder of XSD files, where ``index.tsv`` may give their names (name, tab, path below the folder)
    :return: a module; ``close()`` removes its temporary file
    :raises XNATSchemaError: there is no data model
    """
    place = os.fspath(path)
    return classes_of(convert(_documents(place)), f"Data model of {place}, not connected to a server")


def _documents(place: str) -> list[SchemaDocument]:
    if "://" in place:
        server = uris.root(place)
        found = snapshot.load_documents(server)
        if found is None:
            raise XNATSchemaError(
                f"The cache ({snapshot.cache_directory()}) holds no schemas of {server}: connect to it once, with this "
                "version of the package"
            )
        return found
    folder = Path(place).expanduser()
    if folder.is_dir():
        return _folder(folder)
    found = snapshot.documents_in(folder)
    if found is None:
        raise XNATSchemaError(f"{folder} is neither a folder of schemas nor a snapshot of this version that is ours")
    return found


def _folder(folder: Path) -> list[SchemaDocument]:
    """The schemas of a folder, under the names a server would list them by."""
    index = folder / "index.tsv"
    if index.is_file():
        rows = [line.split("\t") for line in index.read_text(encoding="utf-8").splitlines() if line.strip()]
        names = {row[0]: folder / row[1] for row in rows if len(row) > 1}
    else:
        names = {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.xsd"))}
    if not names:
        raise XNATSchemaError(f"There is no schema in {folder}: neither index.tsv nor a file *.xsd")
    try:
        return [SchemaDocument.of(name, path.read_bytes(), path.as_uri()) for name, path in names.items()]
    except (OSError, ValueError) as error:
        raise XNATSchemaError(f"The schemas in {folder} can't be read: {error}") from error
