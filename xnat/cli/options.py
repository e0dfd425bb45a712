"""The options that all commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable

__all__ = ["TAKES_VALUE", "actions", "connection_options", "dry_run_option", "output_options", "pair", "pairs"]

_CONNECTION: list[tuple[tuple[str, ...], str, str]] = [
    (("-s", "--server", "--host"), "URL", "the server, with http:// or https://"),
    (("-p", "--profile"), "NAME", "a profile of the config file"),
    (("-u", "--user"), "NAME", "log in as this user"),
    (("-n", "--netrc"), "FILE", "take the password from this netrc file"),
    (("--jsession",), "ID", "go on with this session of the server (better in XNATPY_JSESSION: others see arguments)"),
    (("--auth-provider",), "NAME", "which of the server's user directories knows the user"),
    (("--ca-bundle",), "FILE", "check the server's certificate with these"),
    (("--timeout",), "SECONDS", "of silence before giving up"),
    (("--loglevel",), "LEVEL", "show log lines of this level and above: DEBUG shows every request"),
]

#: Options whose next word is a value; what finds the command among the words has to pass over both.
TAKES_VALUE = frozenset(flag for flags, _, _ in _CONNECTION for flag in flags)


def connection_options(parser: argparse.ArgumentParser) -> None:
    """Which server, as whom, and how much to say."""
    group = parser.add_argument_group("connection")
    for flags, metavar, help_ in _CONNECTION:
        # No defaults: in nested parsers the inner one's would overwrite what the outer one has read.
        group.add_argument(*flags, metavar=metavar, help=help_, default=argparse.SUPPRESS)
    group.add_argument(
        "--no-verify", action="store_true", help="don't check the server's certificate", default=argparse.SUPPRESS
    )
    talk_options(parser)


def talk_options(parser: argparse.ArgumentParser) -> None:
    """How much to say."""
    group = parser.add_argument_group("messages")
    group.add_argument(
        "-q", "--quiet", action="store_true", help="no words but errors, no progress bar", default=argparse.SUPPRESS
    )
    group.add_argument("--debug", action="store_true", help="show tracebacks and requests", default=argparse.SUPPRESS)


def output_options(parser: argparse.ArgumentParser) -> None:
    """The form of the data on stdout."""
    group = parser.add_argument_group("output")
    form = group.add_mutually_exclusive_group()
    for name in ("json", "csv"):
        form.add_argument(
            f"--{name}", action="store_const", const=name, dest="form", help=f"as {name.upper()}",
            default=argparse.SUPPRESS,
        )  # fmt: skip
    group.add_argument(
        "--no-header", action="store_true", help="no line with the names of the columns", default=argparse.SUPPRESS
    )


def dry_run_option(parser: argparse.ArgumentParser) -> None:
    """Show, don't do."""
    parser.add_argument("--dry-run", action="store_true", help="only tell what would be done")


def standard_options(parser: argparse.ArgumentParser) -> None:
    """Those of nearly every command."""
    output_options(parser)
    connection_options(parser)


def actions(
    parser: argparse.ArgumentParser, table: list[tuple[str, str, Callable[[argparse.ArgumentParser], None]]]
) -> None:
    """Sub-commands, as ``xnat prearchive list``.

    :param table: name, help, and what adds its arguments
    """
    choices = parser.add_subparsers(metavar="ACTION", required=True, title="actions")
    for name, help_, add in table:
        action = choices.add_parser(name, help=help_, description=help_[0].upper() + help_[1:] + ".")
        add(action)


def pair(text: str) -> tuple[str, str]:
    """``name=value``; only the first ``=`` separates."""
    name, mark, value = text.partition("=")
    if not mark or not name:
        raise argparse.ArgumentTypeError(f"{text!r} isn't of the form NAME=VALUE")
    return name, value


def pairs(items: list[tuple[str, str]] | None) -> dict[str, str]:
    """Pairs as a mapping.

    :raises UsageError: a name is given twice
    """
    from .failures import UsageError

    found: dict[str, str] = {}
    for name, value in items or []:
        if name in found:
            raise UsageError(f"{name} is given twice: {found[name]!r} and {value!r}")
        found[name] = value
    return found
