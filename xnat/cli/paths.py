"""Paths of objects: ``PROJECT/SUBJECT/EXPERIMENT/SCAN/RESOURCE/FILE``.

Every kind of thing has a collection that is meant when none is named: a project's subjects, a subject's experiments, a
session's scans, a scan's resources. Others are named by their word, as in REST paths: ``PROJECT/resources/NOTES``,
``PROJECT/experiments/E1/assessors/QC``. REST paths themselves (``/data/projects/...``) work, too. A slash inside a
label is written ``%2F``.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xnat.exceptions import XNATKeyError

from .failures import NotFoundError, UsageError

if TYPE_CHECKING:
    from xnat.session import XNATSession

__all__ = ["Place", "collection", "find", "find_one", "is_pattern", "kind_of", "listed", "segments", "split_last"]

#: By kind: the collections below it, the one that is meant without a word first.
BELOW: dict[str, tuple[str, ...]] = {
    "server": ("projects", "subjects", "experiments"),
    "project": ("subjects", "experiments", "resources", "files"),
    "subject": ("experiments", "resources", "files"),
    "session": ("scans", "assessors", "reconstructions", "resources", "files"),
    "experiment": ("resources", "files"),
    "assessor": ("resources", "files"),
    "scan": ("resources", "files"),
    "reconstruction": ("resources", "files"),
    "resource": ("files",),
    "file": (),
}
_PATTERN = re.compile(r"[*?]|\[[^]]+\]")


@dataclass(frozen=True)
class Place:
    """Something at a path: the object, and the path as a user may write it."""

    path: str
    object: Any


def segments(path: str) -> list[str]:
    """The parts of a path, as REST collections have them."""
    if re.match(r"/(data|REST)(/|$)", path):
        path = re.sub(r"^/(data|REST)(/archive)?(?=/|$)", "", path)
    return [part.replace("%2F", "/").replace("%2f", "/") for part in path.split("/") if part]


def is_pattern(text: str) -> bool:
    """Whether a part of a path can stand for several things."""
    return _PATTERN.search(text) is not None


def kind_of(thing: Any) -> str:
    """What a thing is, in the words of :data:`BELOW`."""
    from xnat.core.fields import RestListing
    from xnat.core.writing import getattr_static

    kind = str(getattr(thing, "KIND", "")) or "server"
    if getattr(thing, "IS_ASSESSOR", False):
        return "assessor"
    # Other types have a field of that name, too.
    scans = kind == "experiment" and isinstance(getattr_static(type(thing), "scans"), RestListing)
    return "session" if scans else kind


def collection(thing: Any, name: str | None = None) -> tuple[str, Any]:
    """(word, listing) of what lies below a thing.

    :raises UsageError: nothing of the name can
    """
    words = BELOW.get(kind_of(thing), ())
    word = name or next(iter(words), None)
    if word is None or word not in words:
        raise UsageError(
            f"nothing lies below a {kind_of(thing)}" if word is None else f"a {kind_of(thing)} has no {word}"
        )
    return word, getattr(thing, word)


def find(session: XNATSession, path: str) -> list[Place]:
    """What is at a path; several things if it holds patterns.

    :raises NotFoundError: nothing fits
    """
    if path.startswith("/data/prearchive/"):
        return [Place(path, session.create_object(path))]
    found = list(_below(Place("", session), segments(path)))
    if not found:
        raise NotFoundError(f"nothing fits {path}")
    return found


def find_one(session: XNATSession, path: str) -> Place:
    """The one thing at a path.

    :raises UsageError: it fits several, or is the server
    """
    found = find(session, path)
    if len(found) > 1:
        shown = ", ".join(place.path for place in found[:5])
        raise UsageError(f"{path} fits {len(found)} things, but one is needed: {shown}")
    if kind_of(found[0].object) == "server":
        raise UsageError("a path is needed, as PROJECT/SUBJECT/EXPERIMENT")
    return found[0]


def listed(session: XNATSession, path: str) -> list[tuple[Place, str, str]]:
    """What 'ls' of a path lists: (parent, collection, pattern).

    A name is opened, a pattern or the word of a collection is looked at from above.
    """
    parts = segments(path)
    if parts and is_pattern(parts[-1]):
        *above, last = parts
        found = []
        for place in _below(Place("", session), above, word_last=True):
            found.append((*_open_word(place), last))
        return found
    return [(*_open_word(place), "*") for place in _below(Place("", session), parts, word_last=True)]


def _open_word(place: Place) -> tuple[Place, str]:
    """A place, and the word of its collection; ``_below`` hands out both as one when a path ends in the word."""
    if isinstance(place.object, tuple):
        thing, word = place.object
        return Place(place.path, thing), word
    return place, collection(place.object)[0]


def _below(place: Place, parts: list[str], *, word_last: bool = False) -> Iterator[Place]:
    """What the parts lead to.

    :param word_last: a path may end in the word of a collection; the place's object is (thing, word) then
    """
    if not parts:
        yield place
        return
    first, *rest = parts
    words = BELOW.get(kind_of(place.object), ())
    if first in words:
        if not rest:
            if not word_last:
                raise UsageError(f"{place.path or 'the server'}/{first} is a collection; name something in it, or '*'")
            yield Place(place.path, (place.object, first))
            return
        word, (name, *rest) = first, rest
    else:
        word, name = collection(place.object)[0], first
    if word == "files":
        # All that follows is the file's path in its resource.
        name, rest = "/".join([name, *rest]), []
    for found in _items(place, word, name):
        yield from _below(found, rest, word_last=word_last)


def _items(place: Place, word: str, name: str) -> Iterator[Place]:
    listing = getattr(place.object, word)
    prefix = prefix_of(place, word)
    if is_pattern(name) and name not in listing:
        for thing in listing.values():
            if fits(word, name, *names_of(listing, thing)):
                yield Place(prefix + shown_name(listing, thing), thing)
        return
    try:
        yield Place(prefix + escaped(name, word), listing[name])
    except XNATKeyError as error:
        where = place.path or place.object.server
        raise NotFoundError(f"{where} has no {name!r} among its {word}: {error}") from error


def prefix_of(place: Place, word: str) -> str:
    """What comes before the name of something in a collection."""
    words = BELOW[kind_of(place.object)]
    above = f"{place.path}/" if place.path else ""
    return above if word == words[0] else f"{above}{word}/"


def names_of(listing: Any, thing: Any) -> tuple[str, str | None]:
    """The ID of a thing and its second key in the listing."""
    key = listing.secondary_lookup_field
    second = thing.get(key) if key else None
    return thing.id, str(second) if second else None


def fits(word: str, pattern: str, id_: str, key: str | None = None) -> bool:
    """Whether a pattern means a thing of this ID and second key.

    Things with a label are matched by that alone: all accession numbers begin alike, and a pattern that happens to fit
    them must not stand for everything. Scans also go by their type, files by their name.
    """
    by_both = word in ("scans", "files")
    names = (id_, key) if by_both else (id_,) if word in ("projects", "reconstructions") else (key or id_,)
    return any(fnmatch.fnmatchcase(name, pattern) for name in names if name)


def shown_name(listing: Any, thing: Any) -> str:
    """The name to show: what it is called where that is unique, else its ID."""
    return best_name(listing, *names_of(listing, thing))


def best_name(listing: Any, id_: str, key: str | None) -> str:
    """A label if it is a good name; scans, files and projects go by their ID."""
    word = listing.field_name
    by_id = word in ("scans", "projects", "files", "reconstructions")
    name = id_ if by_id or not key or key in listing.non_unique_keys else key
    return escaped(name, word)


def escaped(name: str, word: str | None) -> str:
    """A name as part of a path."""
    return name if word == "files" else name.replace("/", "%2F")


def split_last(path: str) -> tuple[str, str, str | None]:
    """(path of the parent, name, word of the collection) of something that is to be made.

    :raises UsageError: it names nothing
    """
    parts = segments(path)
    if not parts:
        raise UsageError("a path is needed, as PROJECT/SUBJECT")
    words = {word for below in BELOW.values() for word in below}
    *above, name = parts
    word = above.pop() if above and above[-1] in words and len(above) != 1 else None
    if len(above) == 1 and above[0] in ("projects",):
        above, word = [], "projects"
    return "/".join(part.replace("/", "%2F") for part in above), name, word
