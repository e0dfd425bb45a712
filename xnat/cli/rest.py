"""``xnat rest get|head|put|post|delete``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .connect import open_session, settle
from .failures import OK, UsageError
from .options import actions, connection_options, dry_run_option, output_options, pair
from .output import Output

if TYPE_CHECKING:
    import requests


__all__ = ["add_rest"]


def add_rest(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Send one request to any REST path, as /data/projects or /xapi/users. The answer's body goes to stdout as it "
        "is, so it can be piped; a status that isn't 2xx is an error."
    )
    actions(
        parser,
        [
            ("get", "get what is at a path", _add_get),
            ("head", "show the header of what GET would answer", _add_head),
            ("put", "put data or fields", _add_put),
            ("post", "post data or fields", _add_post),
            ("delete", "delete what is at a path", _add_delete),
        ],
    )


def _common(parser: argparse.ArgumentParser, *, query: bool = True) -> None:
    parser.add_argument("path", metavar="PATH", help="from the server's root on, as /data/projects")
    if query:
        parser.add_argument("--query", action="append", type=pair, metavar="NAME=VALUE", help="a value of the query")
    parser.add_argument(
        "--header", action="append", type=_header, metavar="NAME: VALUE", help="a header of the request"
    )
    connection_options(parser)


def _header(text: str) -> tuple[str, str]:
    name, mark, value = text.partition(":")
    if not mark:
        return pair(text)
    return name.strip(), value.strip()


def _add_get(parser: argparse.ArgumentParser) -> None:
    _common(parser)
    parser.add_argument("--format", metavar="NAME", help="ask for json, xml, csv, zip, html, ...")
    parser.add_argument("-o", "--output", metavar="FILE", help="write to a file, which appears when it is complete")
    parser.set_defaults(run=run_get)


def run_get(args: argparse.Namespace, out: Output) -> int:
    """GET, streamed."""
    from xnat import uris

    with open_session(args, out, model=False) as session:
        path = uris.with_query(args.path, _query(args))
        if args.output:
            session.download(path, args.output, format=args.format, verbose=False, update_func=out.progress())
            return OK
        if args.header:
            _body(session.get(path, format=args.format, headers=dict(args.header)), out)
            return OK
        stream = out.stream
        for chunk in session.download_generator(path, format=args.format):
            stream.write(chunk)
        stream.flush()
    return OK


def _add_head(parser: argparse.ArgumentParser) -> None:
    _common(parser, query=False)
    output_options(parser)
    parser.set_defaults(run=run_head)


def run_head(args: argparse.Namespace, out: Output) -> int:
    """HEAD, as name and value."""
    with open_session(args, out, model=False) as session:
        response = session.head(args.path, headers=dict(args.header or []))
        # A cookie is a login.
        shown = {name: value for name, value in response.headers.items() if name.lower() != "set-cookie"}
        out.record({"status": response.status_code, **shown})
    return OK


def _writing(parser: argparse.ArgumentParser) -> None:
    _common(parser)
    body = parser.add_mutually_exclusive_group()
    body.add_argument("--data", metavar="TEXT", help="the body; @FILE takes it from a file, @- from stdin")
    body.add_argument("--json", metavar="TEXT", help="the body, as JSON; @FILE or @- as above", dest="json_text")
    body.add_argument(
        "--form", action="append", type=pair, metavar="NAME=VALUE", help="the body, as a form", dest="fields"
    )
    dry_run_option(parser)


def _add_put(parser: argparse.ArgumentParser) -> None:
    _writing(parser)
    parser.set_defaults(run=run_write, verb="put")


def _add_post(parser: argparse.ArgumentParser) -> None:
    _writing(parser)
    parser.set_defaults(run=run_write, verb="post")


def run_write(args: argparse.Namespace, out: Output) -> int:
    """PUT or POST."""
    body = _given_body(args)
    if args.dry_run:
        return _would(args, out, body)
    with open_session(args, out, model=False) as session:
        send = session.put if args.verb == "put" else session.post
        _body(
            send(
                args.path, query=_query(args), headers=dict(args.header or []), accepted_status=range(200, 300), **body
            ),
            out,
        )
    return OK


def _add_delete(parser: argparse.ArgumentParser) -> None:
    _common(parser)
    dry_run_option(parser)
    parser.set_defaults(run=run_delete, verb="delete")


def run_delete(args: argparse.Namespace, out: Output) -> int:
    """DELETE."""
    if args.dry_run:
        return _would(args, out, {})
    with open_session(args, out, model=False) as session:
        _body(
            session.delete(
                args.path, query=_query(args), headers=dict(args.header or []), accepted_status=range(200, 300)
            ),
            out,
        )
    return OK


def _query(args: argparse.Namespace) -> dict[str, Any]:
    query: dict[str, Any] = {}
    for name, value in args.query or []:
        query.setdefault(name, []).append(value)
    return query


def _given_body(args: argparse.Namespace) -> dict[str, Any]:
    import json

    if args.fields:
        return {"data": dict(args.fields)}
    if args.json_text is not None:
        try:
            return {"json": json.loads(_text(args.json_text))}
        except ValueError as error:
            raise UsageError(f"--json isn't JSON: {error}") from None
    return {} if args.data is None else {"data": _text(args.data)}


def _text(given: str) -> bytes:
    if given == "@-":
        return sys.stdin.buffer.read()
    return Path(given[1:]).expanduser().read_bytes() if given.startswith("@") else given.encode()


def _would(args: argparse.Namespace, out: Output, body: dict[str, Any]) -> int:
    from xnat import uris

    # Of a body only its kind: it may hold a password.
    what = f" with {', '.join(body)}" if body else ""
    out.line(f"{args.verb.upper()} {uris.with_query(args.path, _query(args))}{what} to {settle(args).server}")
    return OK


def _body(response: requests.Response, out: Output) -> None:
    stream = out.stream
    stream.write(response.content)
    stream.flush()
