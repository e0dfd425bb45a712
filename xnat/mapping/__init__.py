"""Doing something with every project, subject, experiment or scan: walks, searches, and ``map``.

``map`` hands the objects to an executor of :mod:`concurrent.futures`: threads of its own, a ``ProcessPoolExecutor``, or
that of a Dask client. It schedules nothing itself; what it adds is that one failure doesn't end the rest, that a
journal lets the next run go on, and that Ctrl-C stops at once.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ..exceptions import XNATTransferError, XNATValueError
from .running import MappedFunctionFailed, run

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from ..protocols import UpdateFunc

__all__ = [
    "FilterFunctions",
    "MappedFunctionFailed",
    "MappingLevel",
    "Maps",
    "MapsItems",
    "map_below",
    "map_objects",
    "objects_below",
    "walk",
]


class MappingLevel(Enum):
    """What ``map`` and ``search`` go over."""

    CONNECTION = "connection"
    PROJECT = "project"
    PROJECT_RESOURCE = "project_resource"
    SUBJECT = "subject"
    SUBJECT_RESOURCE = "subject_resource"
    EXPERIMENT = "experiment"
    EXPERIMENT_RESOURCE = "experiment_resource"
    SCAN = "scan"
    SCAN_RESOURCE = "scan_resource"

    @classmethod
    def of(cls, level: MappingLevel | str) -> MappingLevel:
        """The level itself, or that of this name.

        :raises XNATValueError: there is none of this name
        """
        try:
            return cls(level.lower() if isinstance(level, str) else level)
        except ValueError:
            names = ", ".join(repr(known.value) for known in cls)
            # In the words of 0.8, which scripts may look for.
            raise XNATValueError(f'Level "{level}" is not a valid MappingLevel, available: {names}') from None


#: Whether an object is wanted.
Test: TypeAlias = Callable[[Any], object]
#: A pattern of ID or name, several of them, or a test.
Wanted: TypeAlias = "str | Sequence[str] | Test | None"

_WORDS = ("project", "subject", "experiment", "scan")


class FilterFunctions(NamedTuple):
    """Which objects are wanted, by kind: functions that get the object; None takes all.

    What lies in something that isn't wanted isn't looked at. A filter below the level that is asked for keeps those
    objects that have at least one thing below that it takes.
    """

    project: Test | None = None
    subject: Test | None = None
    experiment: Test | None = None
    scan: Test | None = None
    resource: Test | None = None

    @classmethod
    def of(cls, use_regex: bool = False, **wanted: Wanted) -> FilterFunctions:
        """From patterns of IDs and names: those of the shell, or with ``use_regex`` regular expressions that fit
        the whole name."""
        return cls(**{word: _test(given, use_regex) for word, given in wanted.items() if given is not None})

    def _takes(self, word: str, obj: Any) -> bool:
        """Whether an object of this kind is wanted."""
        test = getattr(self, word)
        return test is None or bool(test(obj))


def _test(wanted: Any, use_regex: bool) -> Test:
    if callable(wanted):
        return wanted  # type: ignore[no-any-return]
    given = [wanted] if isinstance(wanted, str) else list(wanted)
    try:
        patterns = [re.compile(text if use_regex else fnmatch.translate(text)) for text in given]
    except re.error as error:
        raise XNATValueError(f"{wanted!r} is no regular expression: {error}") from error
    return lambda obj: any(pattern.fullmatch(name) for name in _names(obj) for pattern in patterns)


def _names(obj: Any) -> Iterator[str]:
    """What an object goes by: its ID, and its label, name or type. Both stand in the listing's row."""
    yield str(obj.id)
    key = type(obj).SECONDARY_LOOKUP_FIELD
    found = None if key is None else obj.label if key == "label" else obj.get(key)
    if found is not None:
        yield str(found)


# -- walking ---------------------------------------------------------------------------------------------------------


def walk(origin: Any, level: MappingLevel | str, filters: FilterFunctions | None = None) -> Iterator[Any]:
    """The objects of a level in a session, project, subject or experiment.

    One request per listing: all experiments of a project are one listing, unless subjects are filtered.

    :raises XNATValueError: there is no such level, or it isn't below the origin
    """
    level, filters = MappingLevel.of(level), filters or FilterFunctions()
    word, _, resources = level.value.partition("_")
    if word == "connection":
        if _word(origin) != "connection":
            raise XNATValueError("Only a session can be mapped at the level 'connection'")
        yield origin
        return
    for obj in _objects(origin, word, filters):
        if resources:
            yield from (found for found in obj.resources.values() if filters._takes("resource", found))
        elif _has_below(obj, word, filters):
            yield obj


def _word(obj: Any) -> str:
    return str(getattr(obj, "KIND", "") or "connection")


def _objects(origin: Any, word: str, filters: FilterFunctions) -> Iterator[Any]:
    """The wanted objects of one kind, in what is wanted above them."""
    here = _word(origin)
    chain = ("connection", *_WORDS)
    if here not in chain or chain.index(here) > chain.index(word):
        raise XNATValueError(f"There is no level {word!r} below {origin!r}")
    if here == word:
        if filters._takes(word, origin):
            yield origin
        return
    step = chain[chain.index(here) + 1]
    # All experiments of a project come in one request; subjects are only gone through if it matters which.
    if step == "subject" and word != "subject" and filters.subject is None:
        step = "experiment"
    listing = getattr(origin, f"{step}s", None)
    for obj in [] if listing is None else listing.values():
        if not filters._takes(step, obj):
            continue
        if step == word:
            yield obj
        else:
            yield from _objects(obj, word, filters)


def _has_below(obj: Any, word: str, filters: FilterFunctions) -> bool:
    """Whether something below the object is what filters of lower levels ask for."""
    lower = [name for name in _WORDS[_WORDS.index(word) + 1 :] if getattr(filters, name) is not None]
    if not lower and filters.resource is None:
        return True
    deepest = lower[-1] if lower else word
    below = filters._replace(**{name: None for name in filters._fields if name not in (*lower, "resource")})
    return any(True for _ in walk(obj, deepest if filters.resource is None else f"{deepest}_resource", below))


# -- map -------------------------------------------------------------------------------------------------------------


def map_objects(
    session: Any,
    objects: Iterable[Any],
    function: Callable[..., Any],
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    executor: Executor | None = None,
    workers: int = 8,
    progress: UpdateFunc | bool | None = None,
    journal: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Call a function with each of some objects of a session; see :meth:`Maps.map`."""
    return run(
        objects,
        function,
        tuple(args or ()),
        dict(kwargs or {}),
        server=session.server,
        executor=executor,
        workers=workers,
        progress=progress,
        journal=journal,
    )


def map_below(
    origin: Any, function: Callable[..., Any], level: MappingLevel | str, filter_function: Any, **options: Any
) -> dict[str, Any]:
    """Call a function with each object of a level below another; see :meth:`Maps.map`."""
    objects = objects_below(origin, level, filter_function)
    return map_objects(origin.xnat_session, objects, function, **options)


def objects_below(
    origin: Any, level: MappingLevel | str, filter_function: FilterFunctions | Test | None = None
) -> Iterator[Any]:
    """The objects of a level below another; see :meth:`Maps.mapping_iter`."""
    level = MappingLevel.of(level)
    if filter_function is None or isinstance(filter_function, FilterFunctions):
        return walk(origin, level, filter_function)
    test = filter_function
    return (obj for obj in walk(origin, level) if test(obj))


class MapsItems:
    """What a listing can do with its items."""

    def map(
        self,
        function: Callable[..., Any],
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        *,
        executor: Executor | None = None,
        workers: int = 8,
        progress: UpdateFunc | bool | None = None,
        journal: str | os.PathLike[str] | None = None,
    ) -> dict[str, Any]:
        """Call ``function(object, *args, **kwargs)`` with every object of the listing, several at a time.

        Parameters and result are those of :meth:`xnat.session.XNATSession.map`.
        """
        listing: Any = self
        objects = (listing[number] for number in range(len(listing)))
        options: dict[str, Any] = {"executor": executor, "workers": workers, "progress": progress, "journal": journal}
        return map_objects(listing.xnat_session, objects, function, args, kwargs, **options)


class Maps:
    """What a session can do with everything it holds."""

    def map(
        self,
        function: Callable[..., Any],
        level: MappingLevel | str = MappingLevel.EXPERIMENT,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        filter_function: FilterFunctions | Test | None = None,
        logfile: str | os.PathLike[str] | None = None,
        *,
        executor: Executor | None = None,
        workers: int = 8,
        progress: UpdateFunc | bool | None = None,
        journal: str | os.PathLike[str] | None = None,
    ) -> dict[str, Any]:
        """Call ``function(object, *args, **kwargs)`` with every object of a level, several at a time.

        ::

            volumes = project.map(measure, 'experiment', journal='volumes.jsonl', progress=True)

        :param level: what to go over: ``'project'``, ``'subject'``, ``'experiment'``, ``'scan'``, each also with
            ``_resource``, or ``'connection'``; see :class:`~xnat.mapping.MappingLevel`
        :param filter_function: which of them: :class:`~xnat.mapping.FilterFunctions`, or a function that gets the
            object
        :param logfile: the same as ``journal``
        :param executor: where to call it: an executor of :mod:`concurrent.futures`; Dask's is
            ``client.get_executor()``. By default threads of this process. It isn't shut down.
        :param workers: how many threads, without an executor
        :param progress: True for a bar on stderr, or a function called with (done, in all or None, finished)
        :param journal: a file in which every result is noted at once. Objects that succeeded by it are skipped: their
            results come from there. Results must be JSON then.
        :return: the result by the object's address (``fulluri``), in the order of the objects; a
            :class:`~xnat.mapping.MappedFunctionFailed` where the function raised
        :raises XNATValueError: no such level; the journal is of another server
        :raises TypeError: with a journal, the function returned what can't be written as JSON
        """
        return map_below(
            self,
            function,
            level,
            filter_function,
            args=args,
            kwargs=kwargs,
            executor=executor,
            workers=workers,
            progress=progress,
            journal=journal or logfile,
        )

    def mapping_iter(
        self,
        level: MappingLevel | str = MappingLevel.EXPERIMENT,
        filter_function: FilterFunctions | Test | None = None,
    ) -> Iterator[Any]:
        """The objects that :meth:`map` would go over, one after the other, for a loop of one's own.

        Listings are asked for when the loop gets to them, one request for each.

        :param level: what to go over, as in :meth:`map`
        :param filter_function: which of them, as in :meth:`map`
        :raises XNATValueError: no such level
        """
        return objects_below(self, level, filter_function)

    def search(
        self,
        project: Wanted = None,
        subject: Wanted = None,
        experiment: Wanted = None,
        scan: Wanted = None,
        resource: Wanted = None,
        use_regex: bool = False,
        level: MappingLevel | str = MappingLevel.SCAN,
    ) -> list[Any]:
        """The objects of a level whose names fit, and the names of what they lie in.

        ::

            session.search(project='brain*', scan='T1*')

        The filters are patterns of the shell, regular expressions that fit the whole name, functions that get the
        object, or lists of patterns. Names are IDs and labels; a scan's are its ID and its type, a project's its ID
        and its name. A filter below the level keeps what has something below that fits.

        :param use_regex: the patterns are regular expressions
        :param level: what to give
        """
        wanted: dict[str, Any] = {
            "project": project, "subject": subject, "experiment": experiment, "scan": scan, "resource": resource,
        }  # fmt: skip
        return list(walk(self, level, FilterFunctions.of(use_regex, **wanted)))

    def batch_download(
        self,
        target_directory: str | os.PathLike[str],
        project: Wanted = None,
        subject: Wanted = None,
        experiment: Wanted = None,
        scan: Wanted = None,
        resource: Wanted = None,
        use_regex: bool = False,
        level: MappingLevel | str = MappingLevel.SCAN,
    ) -> dict[str, Any]:
        """Download what :meth:`search` finds, each with its ``download_dir``; all are tried.

        If they are of several projects, each project gets a folder of its own: labels are unique within one only.

        :return: what happened to the files, by the object's address
        :raises XNATTransferError: some could not be had; its ``report`` is the mapping, with the errors as values
        """
        found = self.search(project, subject, experiment, scan, resource, use_regex, level)
        projects = [obj.project for obj in found]
        several = len(set(projects)) > 1
        done: dict[str, Any] = {}
        for obj, home in zip(found, projects, strict=True):
            target = Path(target_directory).expanduser()
            try:
                done[obj.fulluri] = obj.download_dir(target / home if several else target, verbose=False)
            except Exception as error:
                done[obj.fulluri] = MappedFunctionFailed.of(error)
        failed = {uri: result for uri, result in done.items() if isinstance(result, MappedFunctionFailed)}
        if failed:
            first = next(iter(failed.items()))
            raise XNATTransferError(
                f"{len(failed)} of {len(done)} could not be downloaded, the first: {first[0]}: {first[1].reason}", done
            )
        return done
