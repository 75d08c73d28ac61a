"""The command line: each command parses its options, calls the library, and prints the result.

======================  ========================================================================
`options`               declares options, and those that several commands share
`config_options`        options that are fields of a config
`settings`              help texts of these
`sampling`              options that `compose` and `batch` share
`recipes`               files of settings for `train` and `encode`
`tables`                prints tables, JSON and CSV
`counter`               shows progress
`*_report`, `*_table`   what a command prints
======================  ========================================================================

Every other module is the command of its name. Exit codes: 0 done, 1 a `MusegenError`, 2 wrong
usage. The modules import nothing heavy at the top, so that `musegen --help` is instant.
"""

from __future__ import annotations

from typing import Any

import click

from musegen._version import __version__
from musegen.cli.batch import batch
from musegen.cli.compose import compose
from musegen.cli.corpus import corpus
from musegen.cli.doctor import doctor
from musegen.cli.encode import encode
from musegen.cli.evaluate import evaluate
from musegen.cli.novelty import novelty
from musegen.cli.pianoroll import frames, pianoroll
from musegen.cli.runs import runs
from musegen.cli.surprisal import surprisal
from musegen.cli.train import train
from musegen.errors import MusegenError

__all__ = ["main"]


class _Group(click.Group):
    """Turns the errors of the package into a message and exit code 1; nothing else does."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except MusegenError as error:
            raise click.ClickException(str(error)) from error


@click.group(
    cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="musegen")
def main() -> None:
    """Compose music with recurrent networks: MIDI in, MIDI out.

    \b
    musegen compose tune.mid            continue a tune
    musegen compose --new               compose a new piece
    musegen batch DIR -o OUT            continue many tunes, and keep the best pieces
    musegen corpus ryansMammoth -o DIR  export music to train on
    musegen encode DIR -o STORE         encode folders of music as tokens
    musegen train DIR -o CHECKPOINT     train a model on your own music
    musegen runs                        list training runs, with their curves
    musegen doctor tune.mid             see what an encoding would lose
    musegen evaluate folk DIR           measure how well a model predicts music
    musegen surprisal tune.mid          see which notes surprise a model
    musegen novelty tune.mid -a folk    find passages that also occur in training pieces
    """  # noqa: D301  (click takes the backspace character for "do not wrap these lines")


_COMMANDS = (
    batch,
    compose,
    corpus,
    doctor,
    encode,
    evaluate,
    frames,
    novelty,
    pianoroll,
    runs,
    surprisal,
    train,
)
for _command in _COMMANDS:
    main.add_command(_command)
