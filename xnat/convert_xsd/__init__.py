"""Turns the schemas of a server into Python classes.

::

    documents, problems = sources.from_xapi(fetch, fetch_json)     which schemas there are, and their bytes
    model = convert(documents)                                     what they say, as data
    module = load.load(emit.emit(model, ...), model)               classes

Everything the schemas say is data to us: it reaches source text as ``repr()`` of a value or through
:func:`xnat.naming.identifier`, never in another way.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from hashlib import sha256

from ..exceptions import XNATSchemaError
from ..hints import XNAT
from .model import FORMAT, ClassDef, ClassKind, FieldDef, FieldKind, Model, Problem, SchemaDocument

__all__ = [
    "ClassDef",
    "ClassKind",
    "FieldDef",
    "FieldKind",
    "Model",
    "Problem",
    "SchemaDocument",
    "convert",
    "digest_of",
    "known",
    "remember",
]

#: Models kept per process; a program seldom talks to more servers at a time.
MAX_CACHED = 8

#: Tags in all schemas beyond which no more of them are read, XNAT's own first; the schemas of an XNAT 1.8 have 15,000.
MAX_TAGS = 400_000

_cache: OrderedDict[str, Model] = OrderedDict()
_lock = threading.Lock()


def convert(documents: Sequence[SchemaDocument], *, require_core: bool = True) -> Model:
    """Return the data model of a set of schemas; the same set is converted once per process.

    What can't be used is listed in ``Model.problems``; the rest is used.

    :param require_core: whether a set without XNAT's own types is an error
    :raises XNATSchemaError: if XNAT's own schema is missing or unusable
    """
    digest = digest_of(documents)
    model = known(digest)
    if model is None:
        model = _convert(documents)
        model.digest = digest
        model = remember(model)
    if require_core and "xnat:projectData" not in model.classes:
        raise XNATSchemaError(_no_core(model))
    return model


def known(digest: str) -> Model | None:
    """Return the model this process already made of a set of schemas."""
    with _lock:
        if digest in _cache:
            _cache.move_to_end(digest)
        return _cache.get(digest)


def remember(model: Model) -> Model:
    """Keep a model for :func:`known`; return it, or an equal one that another thread was quicker with."""
    with _lock:
        model = _cache.setdefault(model.digest, model)
        _cache.move_to_end(model.digest)
        while len(_cache) > MAX_CACHED:
            _cache.popitem(last=False)
        return model


def digest_of(documents: Sequence[SchemaDocument]) -> str:
    """Return a digest of a set of schemas that does not depend on their order."""
    total = sha256(f"format {FORMAT}".encode())
    for document in _ordered(documents):
        total.update(f"\n{document.name}\n{document.digest}".encode("utf-8", "replace"))
    return total.hexdigest()


def _convert(documents: Sequence[SchemaDocument]) -> Model:
    from .passes import PASSES  # here, as who finds a snapshot doesn't need it

    model = _read(documents)
    for step in PASSES:
        model = step(model)
    for leftover in (model.simples, model.groups, model.global_elements):
        leftover.clear()
    return model


def _read(documents: Sequence[SchemaDocument]) -> Model:
    """Return what the schemas say."""
    reading = _Reading(documents)
    for document in reading.documents:
        if _has_namespace(document):
            reading.read(document)
    # The others belong to who included them, and were read with it; these nobody did.
    for document in reading.documents:
        if document.name not in reading.seen:
            reading.read(document)
    return reading.model


class _Reading:
    """Reads schemas into one model, each with those it includes that have no namespace: they take its own."""

    def __init__(self, documents: Sequence[SchemaDocument]) -> None:
        self.documents = _ordered(documents)
        self.model = Model()
        self.seen: dict[str, set[str]] = {}
        self._by_name = {document.name.rpartition("/")[2]: document for document in reversed(self.documents)}
        self._tags = 0

    def read(self, document: SchemaDocument) -> None:
        """Read a schema; afterwards ``seen`` has the names of all that were read for it, with their namespaces."""
        waiting = deque([(document, "")])
        while waiting:
            found, namespace = waiting.popleft()
            namespaces = self.seen.setdefault(found.name, set())
            if namespace not in namespaces:
                namespaces.add(namespace)
                self._read_one(found, namespace)
                waiting.extend(self._adopted())

    def _read_one(self, document: SchemaDocument, namespace: str) -> None:
        from .reader import read_document

        tags = document.content.count(b"<")
        if self._tags + tags > MAX_TAGS:
            self.model.problem(document.name, 0, f"not read: the schemas have more than {MAX_TAGS} tags")
            return
        self._tags += tags
        read_document(document, self.model, namespace=namespace)

    def _adopted(self) -> Iterator[tuple[SchemaDocument, str]]:
        """The schemas without a namespace that the last one includes, and the one they are to take."""
        includes, self.model.includes = self.model.includes, []
        for file, line, location, namespace in includes:
            found = self._by_name.get(location.rpartition("/")[2].removesuffix(".xsd"))
            if found is None:
                self.model.problem(file, line, f"includes {location[:200]!r}, which is not among the server's schemas")
            elif namespace and not _has_namespace(found):
                yield found, namespace


def _has_namespace(document: SchemaDocument) -> bool:
    return b"targetNamespace" in document.content.replace(b"\0", b"")


def _ordered(documents: Sequence[SchemaDocument]) -> list[SchemaDocument]:
    # Servers list schemas in any order; which definition wins must not depend on it. XNAT's own come first.
    return sorted(documents, key=lambda document: (document.name.rpartition("/")[2] not in ("xnat", "xdat"), document))


def _no_core(model: Model) -> str:
    reasons = "; ".join(str(problem) for problem in model.problems[:5])
    return f"None of the schemas defines XNAT's own types ({XNAT})" + (f": {reasons}" if reasons else "")
