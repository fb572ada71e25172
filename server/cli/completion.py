"""Print the completion of commands and options for a shell; it is made of the same parsers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from server.boot.edition import Edition
from server.cli.reference import Word, words

PROGRAM = "flovyn-server"

_BASH = """\
# bash completion of {program}; load it with: source <({program} completion bash)
_flovyn_server() {{
    local words="" current="${{COMP_WORDS[COMP_CWORD]}}" first="${{COMP_WORDS[1]}}" second="${{COMP_WORDS[2]}}"
    [ "$COMP_CWORD" -lt 2 ] && first=""
    [ "$COMP_CWORD" -lt 3 ] && second=""
    case "$first $second" in
{cases}
    esac
    case "$first" in
{groups}
    esac
    [ -z "$first" ] && words="{commands}"
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
    [ "${{#COMPREPLY[@]}}" -gt 0 ] || compopt -o default
}}
complete -F _flovyn_server {program}
"""

_ZSH = """\
#compdef {program}
# zsh completion of {program}; load it with: source <({program} completion zsh)
_flovyn_server() {{
    local -a found
    local first="" second=""
    (( CURRENT > 2 )) && first="${{words[2]}}"
    (( CURRENT > 3 )) && second="${{words[3]}}"
    case "$first $second" in
{cases}
        *) case "$first" in
{groups}
            "") found=({commands}) ;;
        esac ;;
    esac
    _describe 'word' found || _files
}}
compdef _flovyn_server {program}
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell")
    parser.epilog = (
        "examples:\n"
        f"  source <({PROGRAM} completion bash)\n"
        f"  {PROGRAM} completion fish > ~/.config/fish/completions/{PROGRAM}.fish\n"
    )


def run(_edition: Edition, arguments: argparse.Namespace) -> int:
    """Print it."""
    made = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    sys.stdout.write(made[arguments.shell]())
    return 0


def _bash() -> str:
    known = words()
    groups = "\n".join(f'        {each.name}) words="{_names(each.inside)}" ;;' for each in known)
    cases = "\n".join(
        f'        "{each.name} {inner.name}") words="{_names(inner.inside)}"; first="-" ;;'
        for each, inner in _actions(known)
    )
    return _BASH.format(program=PROGRAM, cases=cases, groups=groups, commands=_names(known))


def _zsh() -> str:
    known = words()
    groups = "\n".join(f"            {each.name}) found=({_described(each.inside)}) ;;" for each in known)
    cases = "\n".join(
        f'        "{each.name} {inner.name}") found=({_described(inner.inside)}) ;;' for each, inner in _actions(known)
    )
    return _ZSH.format(program=PROGRAM, cases=cases, groups=groups, commands=_described(known))


def _fish() -> str:
    known = words()
    lines = [f"# fish completion of {PROGRAM}"]
    lines += [_fish_line("__fish_use_subcommand", each) for each in known]
    for each in known:
        alone = " ".join(inner.name for inner in each.inside if not inner.name.startswith("-"))
        for inner in each.inside:
            beside = f"; and not __fish_seen_subcommand_from {alone}" if alone else ""
            lines.append(_fish_line(f"__fish_seen_subcommand_from {each.name}{beside}", inner))
    for each, inner in _actions(known):
        seen = f"__fish_seen_subcommand_from {each.name}; and __fish_seen_subcommand_from {inner.name}"
        lines += [_fish_line(seen, last) for last in inner.inside]
    return "\n".join(lines) + "\n"


def _fish_line(condition: str, word: Word) -> str:
    shown = f"-l {word.name.lstrip('-')}" if word.name.startswith("-") else f"-f -a {word.name}"
    return f"complete -c {PROGRAM} -n '{condition}' {shown} -d {_quoted(word.text)}"


def _actions(known: list[Word]) -> Iterator[tuple[Word, Word]]:
    return ((each, inner) for each in known for inner in each.inside if not inner.name.startswith("-"))


def _names(known: list[Word]) -> str:
    return " ".join(each.name for each in known)


def _described(known: list[Word]) -> str:
    return " ".join(_quoted(f"{each.name}:{each.text}") for each in known)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", r"'\''") + "'"
