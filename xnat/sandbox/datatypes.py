"""The schemas a sandbox serves, and the data types they define.

The types are read from the very files that are served, when they are first needed: a sandbox with other schemas
(``schemas=DIR``) has other types. ``index.tsv`` in the folder maps a schema's name to its path, one pair a line.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

from .schema_reader import Node, SchemaReader, TypeDefinition

__all__ = ["Node", "Schemas", "TypeDefinition"]

OWN_SCHEMAS = Path(__file__).parent / "schemas"


class Schemas:
    """The schemas by name, and their types."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._paths: dict[str, Path] = {}
        for line in (folder / "index.tsv").read_text(encoding="utf-8").splitlines():
            name, _, path = line.partition("\t")
            if path and not name.startswith("#"):
                self._paths[name.strip()] = folder / path.strip()

    @staticmethod
    def load(folder: str | Path | None = None) -> Schemas:
        """The schemas of a folder (the sandbox's own without one), read once per process."""
        return _load(Path(folder).expanduser().resolve() if folder else OWN_SCHEMAS)

    def names(self) -> list[str]:
        """Every schema's name; a folder and a file of one name are folded (``xnat/xnat`` is ``xnat``)."""
        return [fold(name) for name in self._paths]

    def text(self, name: str) -> bytes | None:
        """The bytes of a schema, by folded or unfolded name; None when there is no such schema."""
        wanted = fold(name)
        return next((path.read_bytes() for known, path in self._paths.items() if fold(known) == wanted), None)

    @functools.cached_property
    def digest(self) -> str:
        """What changes when a schema does."""
        total = hashlib.sha1(usedforsecurity=False)
        for name, path in self._paths.items():
            total.update(name.encode() + b"\n" + path.read_bytes())
        return total.hexdigest()

    @functools.cached_property
    def _read(self) -> SchemaReader:
        reader = SchemaReader()
        for path in self._paths.values():
            reader.add(path.read_bytes())
        reader.resolve()
        return reader

    @property
    def types(self) -> dict[str, TypeDefinition]:
        """Every named complex type, ``xnat:mrSessionData``."""
        return self._read.types

    @property
    def namespaces(self) -> dict[str, str]:
        """Prefix to namespace."""
        return self._read.namespaces

    def locations(self) -> list[tuple[str, str]]:
        """Namespace and path below ``/schemas/`` of every schema that has a namespace, one per namespace."""
        found: dict[str, str] = {}
        for name, namespace in zip(self._paths, self._read.targets, strict=True):
            if namespace:
                found.setdefault(namespace, f"{name if '/' in name else f'{name}/{name}'}.xsd")
        return list(found.items())

    def element_type(self, namespace: str, name: str) -> str | None:
        """The type of an element: ``xnat:mrSessionData`` of ``MRSession``; or that which is written so without one."""
        found = self._read.elements.get((namespace, name))
        if found is None and namespace in self._read.targets:
            own = f"{self._read.prefix(namespace)}:{name}"
            found = next(filter(self.known, (f"{own}Data", own)), None)
        return found

    def element_name(self, xsi_type: str) -> str:
        """The global element of a type with its prefix, ``xnat:MRSession``; of the type's own name without one."""
        for (namespace, name), known in self._read.elements.items():
            if known == xsi_type:
                return f"{self._read.prefix(namespace)}:{name}"
        return xsi_type.removesuffix("Data")

    def known(self, xsi_type: str) -> bool:
        """Whether the schemas define that type."""
        return xsi_type in self.types

    def lineage(self, xsi_type: str) -> Iterator[str]:
        """A type and its bases, the type first."""
        seen = set()
        name: str | None = xsi_type
        while name and name not in seen:
            seen.add(name)
            yield name
            definition = self.types.get(name)
            name = definition.base if definition else None

    def is_a(self, xsi_type: str, ancestor: str) -> bool:
        """Whether a type is another one or derived from it."""
        return ancestor in self.lineage(xsi_type)

    def subtypes(self, ancestor: str) -> list[str]:
        """A type and all types derived from it."""
        return [name for name in self.types if self.is_a(name, ancestor)]

    def node(self, xsi_type: str, name: str) -> Node | None:
        """The element or attribute of that name of a type or its bases."""
        for level in self.lineage(xsi_type):
            definition = self.types.get(level)
            if definition and name in definition.nodes:
                return definition.nodes[name]
        return None

    def nodes(self, xsi_type: str) -> list[Node]:
        """The elements and attributes of a type in the order of the schema, its bases' first."""
        ordered: dict[str, Node] = {}
        for level in reversed(list(self.lineage(xsi_type))):
            definition = self.types.get(level)
            if definition:
                ordered.update(definition.nodes)
        return list(ordered.values())

    def text_key(self, xsi_type: str) -> str | None:
        """The field that holds the text of a type with simple content: ``addField`` of xnat:addField."""
        for level in self.lineage(xsi_type):
            definition = self.types.get(level)
            if definition and definition.text:
                return xsi_type.partition(":")[2]
        return None

    def spelling(self, xsi_type: str) -> str | None:
        """The type as the schema spells it, whatever the case asked with."""
        if xsi_type in self.types:
            return xsi_type
        wanted = xsi_type.lower()
        return next((name for name in self.types if name.lower() == wanted), None)


def fold(name: str) -> str:
    """``xnat`` for ``xnat/xnat``."""
    first, _, second = name.partition("/")
    return first if first == second else name


@functools.lru_cache(maxsize=32)
def _load(folder: Path) -> Schemas:
    return Schemas(folder)
