"""All commands: where each is, and how it is parsed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import argparse

__all__ = ["COMMANDS", "NESTED", "Command", "command_parser", "top_parser"]


class Command(NamedTuple):
    """Where a command is, and its line in the help."""

    module: str
    help: str


#: Every command, in the order of the help.
COMMANDS: dict[str, Command] = {
    "login": Command("login", "log in to a server and stay logged in"),
    "logout": Command("login", "end a login"),
    "whoami": Command("login", "who is logged in, and where"),
    "ls": Command("ls", "list projects, subjects, experiments, scans, resources or files"),
    "info": Command("info", "show all that is known of an object"),
    "download": Command("download", "download everything below an object"),
    "sync": Command("download", "bring a local mirror of an object up to date"),
    "upload": Command("upload", "upload files and folders to a resource"),
    "import": Command("import_", "import DICOM files or archives of them"),
    "prearchive": Command("prearchive", "list, archive, move, rebuild or delete what waits in the prearchive"),
    "search": Command("search", "search the whole server"),
    "create": Command("create", "create a project, subject, experiment, scan or resource"),
    "set": Command("edit", "set fields and custom variables of an object"),
    "share": Command("edit", "share a subject or experiment into another project"),
    "delete": Command("edit", "delete objects or files on the server"),
    "dicom": Command("dicom", "show the DICOM header of a scan"),
    "rest": Command("rest", "send one request to any REST path"),
    "model": Command("model", "write the server's data model as type stubs or source"),
    "doctor": Command("doctor", "find out what is wrong with a connection"),
    "sandbox": Command("sandbox", "run a small XNAT server for trying things out"),
    "completion": Command("completion", "print a script that completes commands in bash, zsh or fish"),
}

#: Commands of which the next word says more: ``xnat rest get``.
NESTED = frozenset({"prearchive", "rest"})

_EPILOG = """\
An object is named by its path: PROJECT/SUBJECT/EXPERIMENT/SCAN/RESOURCE/FILE, or with the words between, as in
PROJECT/resources/LABEL or PROJECT/experiments/LABEL. '*', '?' and '[ab]' stand for several (quote them).

exit codes: 0 done, 1 failed otherwise, 2 wrong usage, 3 login or rights, 4 not found, 5 server,
            6 transfer failed, 7 done in part, 130 interrupted

'xnat COMMAND --help' tells more about a command; docs/cli.rst has examples of all."""


def top_parser() -> argparse.ArgumentParser:
    """The parser of ``xnat`` without a command."""
    import argparse

    from xnat.version import __version__

    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.help}" for name, command in COMMANDS.items()]
    parser = argparse.ArgumentParser(
        prog="xnat",
        usage="xnat COMMAND [options] ...",
        description="Work with an XNAT archive server.",
        epilog="commands:\n" + "\n".join(lines) + "\n\n" + _EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"xnat {__version__}")
    return parser


def command_parser(name: str) -> argparse.ArgumentParser:
    """The parser of one command, of its own module."""
    import argparse
    from importlib import import_module

    command = COMMANDS[name]
    parser = argparse.ArgumentParser(
        prog=f"xnat {name}",
        description=command.help[0].upper() + command.help[1:] + ".",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module = import_module(f"xnat.cli.{command.module}")
    getattr(module, f"add_{name}")(parser)
    return parser
