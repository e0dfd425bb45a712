"""The ``xnat`` command.

:func:`main` finds out which command is meant and imports only its module: ``xnat --help`` must not wait for what it
doesn't use. A command module has an ``add_<command>(parser)``, which declares arguments and says what to run.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .commands import COMMANDS, NESTED, command_parser, top_parser

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["COMMANDS", "main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    :param argv: the words after ``xnat``; by default those of the process
    :return: the exit code; nothing is raised, and the process isn't ended
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _main(words)
    except SystemExit as error:  # argparse ends the process; main returns
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except KeyboardInterrupt:
        sys.stderr.write("xnat: interrupted\n")
        return 130


def _main(words: list[str]) -> int:
    at = _command_at(words)
    if at is None:
        parser = top_parser()
        parser.parse_args(words)  # --help, --version and wrong options end here
        parser.print_help(sys.stderr)
        return 2
    name, rest = words[at], [*words[:at], *words[at + 1 :]]
    if name in NESTED and (action := _command_at(rest)) is not None:
        # The parser of the action knows the options, that of the command doesn't.
        rest.insert(0, rest.pop(action))
    if name not in COMMANDS:
        return _unknown(name)
    from .run import run

    return run(command_parser(name), rest)


def _command_at(words: list[str]) -> int | None:
    """Where the command stands: options of all commands may come before it."""
    from .options import TAKES_VALUE

    index = 0
    while index < len(words):
        word = words[index]
        if not word.startswith("-"):
            return index
        index += 2 if word in TAKES_VALUE else 1
    return None


def _unknown(name: str) -> int:
    from ..naming import did_you_mean

    hint = did_you_mean(name, COMMANDS, "; 'xnat --help' lists the commands")
    sys.stderr.write(f"xnat: there is no command {name!r}{hint}\n")
    return 2
