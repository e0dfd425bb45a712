"""``xnat completion``: scripts made from the parsers themselves, so that they can't forget an option."""

from __future__ import annotations

import argparse

from .commands import COMMANDS, command_parser
from .failures import OK
from .options import talk_options
from .output import Output

__all__ = ["add_completion"]

_HOW = """\
bash:  eval "$(xnat completion bash)"                            in ~/.bashrc
zsh:   eval "$(xnat completion zsh)"                             in ~/.zshrc, after compinit
fish:  xnat completion fish > ~/.config/fish/completions/xnat.fish"""


def add_completion(parser: argparse.ArgumentParser) -> None:
    parser.description = "Print a script that makes a shell complete commands and options."
    parser.epilog = _HOW
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))
    talk_options(parser)
    parser.set_defaults(run=run_completion)


def run_completion(args: argparse.Namespace, out: Output) -> int:
    """Print the script."""
    table = {name: _words(command_parser(name)) for name in COMMANDS}
    out.raw({"bash": bash, "zsh": zsh, "fish": fish}[args.shell](table))
    return OK


def _words(parser: argparse.ArgumentParser) -> dict[str, dict[str, str]]:
    """Action (or '') → option or choice → help."""
    found: dict[str, dict[str, str]] = {"": {}}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                found[""][name] = inner.description or ""
                found[name] = _words(inner)[""]
            continue
        for option in action.option_strings:
            if option.startswith("--"):
                found[""][option] = action.help or ""
        if not action.option_strings and action.choices:
            found[""].update({str(choice): action.help or "" for choice in action.choices})
    return found


def bash(table: dict[str, dict[str, dict[str, str]]]) -> str:
    """The script for bash."""
    cases = "".join(
        f'        "{(command + " " + action).strip()}") words="{" ".join(words)}" ;;\n'
        for command, actions in table.items()
        for action, words in actions.items()
    )
    two = "|".join(command for command, actions in table.items() if len(actions) > 1)
    return f"""\
_xnat() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" command="" action="" words="" word
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "$word" in
            -*) ;;
            *) if [ -z "$command" ]; then command="$word"; elif [ -z "$action" ]; then action="$word"; fi ;;
        esac
    done
    case "$command" in {two}) command="$command${{action:+ $action}}" ;; esac
    case "$command" in
        "") words="{" ".join(table)} --help --version" ;;
{cases}    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _xnat xnat
"""


def zsh(table: dict[str, dict[str, dict[str, str]]]) -> str:
    """The script for zsh, which takes those for bash."""
    return "autoload -U +X bashcompinit && bashcompinit\n" + bash(table)


def fish(table: dict[str, dict[str, dict[str, str]]]) -> str:
    """The script for fish."""
    lines = [
        "complete -c xnat -f -n __fish_use_subcommand -l help",
        "complete -c xnat -f -n __fish_use_subcommand -l version",
    ]
    for command, actions in table.items():
        lines.append(f"complete -c xnat -f -n __fish_use_subcommand -a {command} -d {_quoted(COMMANDS[command].help)}")
        for action, words in actions.items():
            seen = f"__fish_seen_subcommand_from {command}"
            if action:
                seen += f"; and __fish_seen_subcommand_from {action}"
            for word, help_ in words.items():
                what = f"-l {word[2:]}" if word.startswith("--") else f"-a {word}"
                lines.append(f"complete -c xnat -n {_quoted(seen)} {what} -d {_quoted(help_)}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
