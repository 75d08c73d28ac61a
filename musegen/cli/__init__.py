"""The command line: each command parses, calls one library function, and prints.

Exit codes: 0 done, 1 a `MusegenError`, 2 wrong usage. This module and the commands import nothing
heavy at the top, so that `musegen --help` is instant.
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
from musegen.cli.pianoroll import frames
from musegen.cli.runs import runs
from musegen.cli.surprisal import surprisal
from musegen.cli.train import train
from musegen.errors import MusegenError

__all__ = ["main"]


class _Group(click.Group):
    """Turns the package's errors into a message and exit code 1: the only place that does."""

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
    """Continue a melody: MIDI in, MIDI out, with recurrent networks.

    \b
    musegen compose tune.mid            continue a tune
    musegen compose --new               compose from nothing
    musegen batch DIR -o OUT            many pieces from many tunes, the best kept
    musegen corpus ryansMammoth -o DIR  get music to train on
    musegen encode DIR -o STORE         turn folders of music into tokens
    musegen train DIR -o CHECKPOINT     train a model on your own music
    musegen runs                        see how training goes and went
    musegen doctor tune.mid             see what its tokens would lose
    musegen evaluate folk DIR           see how well a model predicts music
    musegen surprisal tune.mid          see which notes a model did not expect
    musegen novelty tune.mid -a folk    see what it has in common with training pieces
    """  # noqa: D301  (click takes the backspace character for "leave these lines as they are")


main.add_command(batch)
main.add_command(compose)
main.add_command(corpus)
main.add_command(doctor)
main.add_command(encode)
main.add_command(evaluate)
main.add_command(frames)
main.add_command(novelty)
main.add_command(runs)
main.add_command(surprisal)
main.add_command(train)
