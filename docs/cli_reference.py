"""Writes `docs/cli.md` from the commands' own help texts. Run it with `make docs`."""

from __future__ import annotations

from pathlib import Path

from click import Context

from musegen.cli import main

PAGE = Path(__file__).with_name("cli.md")


def page() -> str:
    """Return the reference: the help of the group and of every command."""
    parts = [
        "# Command line\n\nWritten by `docs/cli_reference.py` from `musegen --help`; do not edit.\n"
    ]
    for name, command in [
        ("musegen", main),
        *((f"musegen {n}", c) for n, c in sorted(main.commands.items()) if not c.hidden),
    ]:
        context = Context(
            command,
            info_name=name,
            terminal_width=100,
            max_content_width=100,
            help_option_names=["-h", "--help"],
        )
        parts.append(f"## {name}\n\n```\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
