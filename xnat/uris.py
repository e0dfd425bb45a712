"""REST paths: quoting, joining, taking apart, and the one form by which two spellings are known to be the same.

A *URI* here is a path below the server's root, such as ``/data/projects/sandbox``; a *URL* has a host. Labels, IDs and
file names reach a URI through :func:`quote` or :func:`join`, never through a format string: ``scan#1.dcm`` pasted into
a path was stored as ``scan``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote as percent_encode
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

from xnat._compat import to_text
from xnat.exceptions import XNATValueError

__all__ = [
    "canonical",
    "encode_query",
    "in_archive",
    "join",
    "local",
    "parent",
    "quote",
    "redact",
    "redirect_target",
    "requote",
    "requote_url",
    "root",
    "same_origin",
    "split",
    "split_at_files",
    "under",
    "unquote",
    "unquote_path",
    "with_query",
]

# The server attaches these routes twice, bare and below /archive. Others exist only once: /data/archive/JSESSION is
# a 404, and so is /data/archive/services.
ARCHIVE_ROUTES = frozenset({"experiments", "investigators", "projects", "scan_types", "scanners", "subjects"})
# With one of these begin the words and names of a path.
_STARTS = ("projects", "subjects", "experiments", "prearchive")
# What may follow the context path in a path that a server made; used to recognise and cut that context path.
SERVLETS = frozenset({"REST", "app", "data", "schemas", "xapi"})

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_TOKEN_SECRET = re.compile("(/services/tokens/validate/[^/]+/)[^/]+")
_UNPRINTABLE = re.compile("[^\x21-\x7e]")
# Nearly every segment there is: quoted or not, it is the same.
_PLAIN = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9_.~-]*\Z")
_STRAY_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_ABSOLUTE = re.compile("[A-Za-z][A-Za-z0-9+.-]*://")
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Legal in a query and harmless there; left alone because xpaths are read in logs: xnat:subjectData/label
_QUERY_SAFE = "/:,*@"


def quote(segment: str) -> str:
    """One path segment, percent-encoded: whatever it holds, it stays one segment.

    Everything but RFC 3986's unreserved characters is encoded. ``.`` and ``..`` are spelled with ``%2E``, so that
    nothing on the way takes them for steps in the tree.

    :raises XNATValueError: for an empty segment (the path would mean the whole listing), control characters and
        lone surrogates
    """
    if _PLAIN.match(segment):
        return segment
    if segment == "":
        raise XNATValueError("An empty name can't be part of a path, it would address the whole listing.")
    if segment in (".", ".."):
        return segment.replace(".", "%2E")
    return _encode(segment, "")


def unquote(segment: str) -> str:
    """The text of a percent-encoded segment; the inverse of :func:`quote`.

    Old servers sometimes encode in Latin-1; what isn't UTF-8 is read as that.

    :raises XNATValueError: for lone surrogates
    """
    if _PLAIN.match(segment):
        return segment
    try:
        data = unquote_to_bytes(segment)
    except UnicodeEncodeError:
        raise _half_a_character(segment) from None
    try:
        return to_text(data, errors="strict")
    except UnicodeDecodeError:
        return to_text(data, "latin-1")


def unquote_path(path: str) -> str:
    """The text of several segments with ``/`` between them."""
    return "/".join(map(unquote, path.split("/")))


def join(uri: str, *segments: str) -> str:
    """The URI of something below another, each segment quoted: ``join('/data/projects', 'a b')``."""
    path, mark, query = uri.partition("?")
    return "/".join([path.rstrip("/"), *map(quote, segments)]) + mark + query


def split(uri: str) -> list[str]:
    """The unquoted segments of a URI; a query is left out."""
    return [unquote(segment) for segment in uri.partition("?")[0].split("/") if segment]


def parent(uri: str) -> str:
    """The URI with its last segment cut off, and without query: the container of a thing, the thing of a container."""
    path = uri.partition("?")[0].rstrip("/")
    return path.rpartition("/")[0] or "/"


def split_at_files(uri: str) -> tuple[str, str] | None:
    """(URI of what a file is in, path of the file below its ``files``), as they are spelled; None if it is no file's.

    Words and names take turns in a path, which tells a project or resource named ``files`` from the files.
    """
    parts = uri.split("/")
    begin = next((at for at, part in enumerate(parts) if part in _STARTS), None)
    if begin is None:
        base, mark, path = uri.partition("/files/")
        return (base, path) if mark else None
    # A session of the prearchive is named by project, time and folder.
    at = begin + 5 if parts[begin] == "prearchive" else begin
    while at < len(parts) - 1:
        if parts[at] == "files":
            path = "/".join(parts[at + 1 :])
            return ("/".join(parts[:at]), path) if path else None
        at += 1 if parts[at] in ("in", "out") else 2
    return None


def requote(path: str) -> str:
    """A path as people type it, made valid: what is unquoted gets quoted, what is quoted stays so.

    ``/data/projects/a b/..`` becomes ``/data/projects/a%20b/%2E%2E``. A ``?`` begins the query, which is passed on; a
    ``#`` is part of a name, since a server never sees fragments.
    """
    path, mark, query = path.partition("?")
    quoted = "/".join(map(_requote_segment, path.split("/")))
    return quoted + mark + _encode(_STRAY_PERCENT.sub("%25", query), _QUERY_SAFE + "%&=+;~!$'()[]?") if mark else quoted


def under(url: str, root: str) -> str | None:
    """The path of a full URL below the server's root, beginning with ``/``; None if it lies elsewhere."""
    if _origin(url) != _origin(root):
        return None
    context = urlsplit(root).path.rstrip("/")
    path = "/" + _ABSOLUTE.sub("", url, count=1).partition("/")[2]
    if not context:
        return path
    rest = path[len(context) :]
    return (rest or "/") if path.startswith(context) and rest[:1] in ("", "/", "?") else None


def root(server: str) -> str:
    """A server's root URL in the form everything is appended to: no trailing slash, host in ASCII.

    :raises XNATValueError: if it isn't an http or https URL, or holds a password
    """
    text = server.strip()
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme.lower() not in _DEFAULT_PORTS:
        raise XNATValueError(
            f"A server is given as http://host or https://host, with a path if needed; found {redact(text)}"
        )
    if parts.username or parts.password:
        raise XNATValueError(f"User and password are separate arguments, not part of the server's URL {redact(text)}")
    try:
        name = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise XNATValueError(f"This is no host name: {host!r}") from None
    name = f"[{name}]" if ":" in name else name
    return f"{parts.scheme.lower()}://{name}{f':{port}' if port else ''}{requote(parts.path).rstrip('/')}"


def requote_url(url: str) -> str:
    """A full URL with what isn't quoted yet in its path and query quoted."""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    return origin + (requote(url[len(origin) :]) or "/")


def canonical(path: str, root: str | None = None) -> str:
    """The one spelling of a URI, by which the same thing is recognised however it was addressed.

    :param path: a path, quoted or not, or a full URL below ``root``
    :param root: the server's URL, with context path
    :returns: quoted once; no query and no trailing slash; ``/data`` for ``/REST``; ``/data/x`` for ``/data/archive/x``
        where the server has both
    :raises XNATValueError: if it is neither a path nor a URL of this server
    """
    path = local(path, root)
    segments = [_requote_segment(segment) for segment in path.partition("?")[0].split("/") if segment]
    if segments[:1] == ["REST"]:
        segments[0] = "data"
    if segments[:2] == ["data", "archive"] and len(segments) > 2 and segments[2] in ARCHIVE_ROUTES:
        del segments[1]
    return "/" + "/".join(segments)


def in_archive(path: str) -> str:
    """The longer spelling of what lies in a project: ``/data/archive/projects/x`` for ``/data/projects/x``."""
    return f"/data/archive{path.removeprefix('/data')}" if path.startswith("/data/projects/") else path


def local(path: str, *roots: str | None) -> str:
    """The path below one of the server's roots, whether a path or a full URL was given.

    :raises XNATValueError: if it is neither a path nor a URL below one of the roots
    """
    known = [root for root in roots if root]
    if path.startswith("/"):
        return _without_context(path, known)
    if _ABSOLUTE.match(path):
        for root in known:
            found = under(path, root)
            if found is not None:
                return found
    raise XNATValueError(f"The requested URI path should start with a / (e.g. /data/projects), found {redact(path)}")


def encode_query(query: Mapping[str, str | Sequence[str]]) -> str:
    """The query string of a mapping; a list of values repeats its key, None leaves the key out."""
    pairs = [(key, value) for key, values in query.items() for value in _values(values)]
    return "&".join(f"{_encode_value(key)}={_encode_value(value)}" for key, value in pairs)


def with_query(path: str, query: Mapping[str, str | Sequence[str]] | None) -> str:
    """The path with these query values added; values of the same keys in ``path`` give way."""
    encoded = encode_query(query or {})
    base, _, old = path.partition("?")
    if encoded and old:
        replaced = set(map(_encode_value, query or {}))
        kept = [item for item in old.split("&") if item and _encode_value(_query_key(item)) not in replaced]
        encoded = "&".join([*kept, encoded])
    return f"{base}?{encoded or old}" if encoded or old else base


def redact(url: str) -> str:
    """The URL for eyes and logs: no user name and password, and of the query only the keys.

    Query values can be patient data (``…/label=…``), so they never reach a message. Nor does the one secret that XNAT
    wants in a path.
    """
    url, mark, query = url.partition("?")
    url = _TOKEN_SECRET.sub(r"\1...", url)
    url = re.sub(r"(?<=://)[^/@]*@", "", url, count=1)
    keys = list(dict.fromkeys(_query_key(item) for item in query.split("&") if item))
    shown = f"{url}{mark}{'&'.join(keys)}" if keys else url
    # It may be a server's (a redirect), and is shown on terminals: no cursor movements, no text that runs backwards.
    return shown if shown.isprintable() else _UNPRINTABLE.sub(_escape, shown)


def _escape(match: re.Match[str]) -> str:
    return match.group() if match.group().isprintable() else percent_encode(match.group(), errors="replace")


def _query_key(item: str) -> str:
    return unquote(item.partition("=")[0].replace("+", " "))


def _encode_value(value: object) -> str:
    return _encode(("true" if value else "false") if isinstance(value, bool) else str(value), _QUERY_SAFE, control=True)


def _values(value: object) -> Iterable[object]:
    if value is None:
        return ()
    if isinstance(value, str) or not isinstance(value, Iterable):
        return (value,)
    return value


def _encode(text: str, safe: str, *, control: bool = False) -> str:
    """Percent-encodes UTF-8; in queries ``control`` characters are data (a note may have several lines)."""
    if not control and _CONTROL.search(text):
        raise XNATValueError(f"A path can't hold control characters, found {text!r}")
    try:
        return percent_encode(text, safe=safe, errors="strict")
    except UnicodeEncodeError:
        raise _half_a_character(text) from None


def _half_a_character(text: str) -> XNATValueError:
    return XNATValueError(f"This can't be sent as text, it holds half a character: {text!r}")


def _requote_segment(segment: str) -> str:
    if not segment or _PLAIN.match(segment):
        return segment
    escaped = _STRAY_PERCENT.sub("%25", segment) if _encodable(segment) else segment
    try:
        return quote(to_text(unquote_to_bytes(escaped), errors="strict"))
    except UnicodeDecodeError:
        # Escapes in another charset are the server's own spelling; only what stands beside them is encoded.
        return _encode(escaped, "%")


def _encodable(segment: str) -> bool:
    # unquote_to_bytes would raise a bare UnicodeEncodeError for lone surrogates.
    _encode(segment, "%")
    return True


def _origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: what has to agree before a cookie or password is sent."""
    try:
        parts = urlsplit(url)
        scheme = parts.scheme.lower()
        return scheme, (parts.hostname or "").lower(), parts.port or _DEFAULT_PORTS.get(scheme)
    except ValueError:
        return "", "", None


def same_origin(first: str, second: str) -> bool:
    """True if two URLs agree in scheme, host and port."""
    return _origin(first) == _origin(second) and _origin(first)[1] != ""


def redirect_target(url: str, location: str) -> str:
    """The absolute URL a ``Location`` header leads to; empty if there is none."""
    # header bytes come as Latin-1 whatever they are
    location = location.encode("latin-1", "replace").decode("utf-8", "replace").strip()
    try:
        return urljoin(url, location).partition("#")[0] if location else ""
    except ValueError:
        return location


def _without_context(path: str, roots: Sequence[str]) -> str:
    for root in roots:
        context = urlsplit(root).path.rstrip("/")
        rest = path[len(context) :]
        if context and path.startswith(context + "/") and re.split("[/?]", rest[1:])[0] in SERVLETS:
            return rest
    return path
