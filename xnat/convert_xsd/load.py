"""Makes a module of emitted source, with a real file in a private temporary directory, gone when the module is closed.

The module is lazy. A server has hundreds of types and a program uses a dozen, so a class is compiled when it is first
asked for, its bases before it, and the file is written when somebody asks where it is. To everything that looks
(``dir``, ``inspect``, debuggers, editors) it is a module.
"""

from __future__ import annotations

import itertools
import linecache
import os
import sys
import threading
import types
import weakref
from collections.abc import Iterator, Mapping
from importlib.machinery import ModuleSpec
from typing import Any

from ..exceptions import XNATAttributeError, XNATKeyError, XNATNotConnectedError, XNATSchemaError
from ..naming import did_you_mean
from .emit import Emitted, Options
from .model import Model

__all__ = ["ModelModule", "load"]

#: Generated modules are registered under this name, a digest and a number.
PREFIX = "xnat_classes"

_numbers = itertools.count(1)


def load(emitted: Emitted, model: Model, *, debug: bool = False, directory: str | None = None) -> ModelModule:
    """Return the module of an emitted model, registered in ``sys.modules`` until it is closed.

    :param debug: check the source against the rule of :mod:`emit` first
    :param directory: where to make the private directory; default the system's place for temporary files
    :raises XNATSchemaError: with ``debug``, if the source holds more than declarations
    """
    if debug:
        from .checking import check

        check(emitted.source)
    name = f"{PREFIX}_{model.digest[:12] or 'unnamed'}_{next(_numbers)}"
    module = ModelModule(name, emitted, model, _make_folder(directory))
    sys.modules[name] = module
    return module


class ClassLookup(Mapping[str, Any]):
    """XSI type → class; a class is made when it is taken."""

    def __init__(self, module: ModelModule) -> None:
        # Weak, as the module holds this: closing a session should free it at once, not at the next collection.
        self._module = weakref.ref(module)
        self._names = {block.xsi_type: block.name for block in module._blocks.values()}

    def __getitem__(self, xsi_type: str) -> Any:
        module = self._module()
        if xsi_type not in self._names or module is None:
            text = f"Type {xsi_type} unknow to this XNATSession REST client (see XNAT_CLASS_LOOKUP class variable)"
            raise XNATKeyError(text + did_you_mean(str(xsi_type), self._names))
        return getattr(module, self._names[xsi_type])

    def __contains__(self, xsi_type: object) -> bool:
        return xsi_type in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"<{len(self)} XSI types of {PREFIX}>"


class SourceLoader:
    """Gives the source to ``linecache``, thus to tracebacks and debuggers, as long as there is no file."""

    def __init__(self, emitted: Emitted) -> None:
        self._emitted = emitted

    def get_source(self, name: str) -> str:
        """Return the source of the module."""
        return self._emitted.source


class ModelModule(types.ModuleType):
    """The classes of one server's data model.

    Classes are attributes, found by their name in any spelling of upper and lower case.
    """

    #: the path of the source file, which is written when this is first asked for; None if it can't be
    path: str | None
    #: what the classes were made of
    model: Model

    def __init__(self, name: str, emitted: Emitted, model: Model, folder: str | None) -> None:
        super().__init__(name)  # the docstring comes with the header
        # Underscored names stay out of the way of classes: their names begin with a capital letter.
        self._emitted = emitted
        self._blocks = emitted.blocks
        self._lock = threading.RLock()
        self._session: weakref.ref[Any] | None = None
        self._finalizers: list[weakref.finalize[Any, Any]] = []
        self._folded: dict[str, str] | None = None
        self.model = model
        self.XNAT_CLASS_LOOKUP = ClassLookup(self)
        self._folder = folder
        self._file = os.path.join(folder or "", f"{name}.py")
        loader: Any = SourceLoader(emitted)
        self.__loader__, self.__spec__ = loader, ModuleSpec(name, loader)
        self._finalize(self)
        exec(compile(emitted.header, name, "exec"), self.__dict__)  # noqa: S102 - two lines of our own

    # --- classes ---

    def __getattr__(self, name: str) -> Any:
        # Called for what is not there yet; a class that was made is an ordinary attribute.
        if name in self._blocks:
            return self._make(name)
        if name in ("__file__", "path"):
            self._store()
            return self.__dict__[name]
        if not name.startswith("_"):
            if self._folded is None:
                self._folded = {}
                for known in sorted(self._blocks):
                    self._folded.setdefault(known.lower(), known)
            # In 0.8 types without a name begin with Xnatpy, and those of xnat_a and the like not with Xnat.
            for spelling in (name, name.removeprefix("Xnatpy"), f"Xnat{name}"):
                if known := self._folded.get(spelling.lower(), ""):
                    return getattr(self, known)
        hint = did_you_mean(name, self._blocks) if not name.startswith("_") else ""
        raise XNATAttributeError(f"The data model has no class {name!r}{hint}")

    def _make(self, name: str) -> Any:
        with self._lock:
            if name in self.__dict__:
                return self.__dict__[name]
            block = self._blocks[name]
            if block.base is not None and block.base not in self.__dict__:
                self._make(block.base)
            # The empty lines give every class the line it has in the file.
            text = "\n" * (block.line - 1) + self._emitted.body.text(block)
            code = compile(text, self._file, "exec", dont_inherit=True)
            exec(code, self.__dict__)  # noqa: S102 - declarations only, see emit
            return self.__dict__[name]

    def __dir__(self) -> list[str]:
        return sorted({*self._blocks, "SESSION", "XNAT_CLASS_LOOKUP", "current_session", "xsi_types"})

    @property
    def options(self) -> Options:
        """What the classes were told about hand-written ones."""
        return self._emitted.options

    @property
    def source(self) -> str:
        """The Python source of all classes."""
        return self._emitted.source

    @property
    def xsi_types(self) -> list[str]:
        """All XSI types there are classes for."""
        return list(self.XNAT_CLASS_LOOKUP)

    # --- the session ---

    def bind(self, session: Any) -> None:
        """Say which session the classes belong to; it is held weakly, and the module closes with it."""
        self._session = weakref.ref(session)
        self._finalize(session)

    def current_session(self) -> Any:
        """Return the session the classes belong to.

        :raises XNATNotConnectedError: if it was closed or never opened
        """
        session = self._session() if self._session is not None else None
        if session is None:
            raise XNATNotConnectedError("The session of these classes was closed, or never opened")
        return session

    @property
    def SESSION(self) -> Any:  # noqa: N802 - the name scripts know
        """The session the classes belong to."""
        return self.current_session()

    def after_fork(self) -> None:
        """In a forked child: another thread of the parent may have held the lock just then."""
        self._lock = threading.RLock()

    # --- the file ---

    def _store(self) -> None:
        """Write the file, if the module wasn't closed meanwhile."""
        with self._lock:
            if "path" in self.__dict__:
                return
            path = self._file if self._folder is not None else None
            if self._folder is not None and os.path.isdir(self._folder):
                try:
                    with open(self._file, "x", encoding="utf-8", newline="\n") as stream:
                        stream.write(self.source)
                except FileExistsError:
                    pass  # the process we were forked from, or one forked from us, was quicker
                except (OSError, XNATSchemaError):
                    path = None  # the loader has the text, if anybody has
                    _remove(self._file)
            self.__file__, self.path = self._file, path

    def _finalize(self, owner: Any) -> None:
        """Clean up when the owner, the session or the module itself, is collected; or with :meth:`close`."""
        self._finalizers.append(
            weakref.finalize(owner, _clean_up, self.__name__, self._file, self._folder is not None, os.getpid())
        )

    def close(self) -> None:
        """Delete the file and forget the session. Classes that were made stay usable by who holds them."""
        self._session = None
        for finalizer in self._finalizers:
            finalizer()
        self._finalizers.clear()

    def __repr__(self) -> str:
        state = "" if self._session is not None and self._session() is not None else ", not connected"
        return f"<module {self.__name__!r} with {len(self._blocks)} classes from {self._file!r}{state}>"


def _make_folder(directory: str | None) -> str | None:
    import tempfile

    try:
        return tempfile.mkdtemp(prefix="xnat_", dir=directory)  # readable by us only
    except OSError:
        return None


def _clean_up(name: str, file: str, stored: bool, process: int) -> None:
    """Undo what load() left in the process and on disk; must not hold on to the module."""
    sys.modules.pop(name, None)
    linecache.cache.pop(file, None)
    if stored and os.getpid() == process:  # a forked child leaves its parent's file alone
        _remove(file)


def _remove(path: str) -> None:
    for remove, target in ((os.unlink, path), (os.rmdir, os.path.dirname(path))):
        try:
            remove(target)
        except OSError:
            pass  # it was never written, or someone cleaned up before us
