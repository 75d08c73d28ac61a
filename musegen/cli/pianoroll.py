"""`musegen frames`: data sets of frames as folders of MIDI files."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from musegen.config import EncoderConfig
    from musegen.data.pianoroll import Counts, Loss, PianoRolls

__all__ = ["frames"]

NAMED = 5  # pieces, of those that lose something


@click.command(short_help="Turn a data set of frames into MIDI files.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="The folder to write."
)
@click.option(
    "--grid",
    metavar="VALUE",
    help="How long a frame is.  [default: 1/16 for voices, 1/4 for chords]",
)
@click.option(
    "--kind",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "voices", "chords"]),
    help="voices: an entry for each voice, equal neighbours one note. chords: sets of pitches, each struck "
    "anew. auto: voices if all frames list equally many.",
)
@click.option(
    "--force",
    is_flag=True,
    help="Replace what an earlier run wrote into the folder, and nothing else.",
)
def frames(file: Path, output: Path, grid: str | None, kind: str, force: bool) -> None:
    """Write the pieces of FILE, JSON, as MIDI files in the folders train, validation and test.

    FILE, which gzip may have packed, has an object of train, valid and test, each a list of pieces,
    which are lists of frames, which are lists of pitches; -1 is a silent voice. No split, note or
    rest is changed, so that likelihoods of the files are likelihoods of the frames.

    \b
    musegen frames Jsb16thSeparated.json -o jsb16
    musegen encode jsb16 -o store --split folders --steps-per-quarter 4 --parts 4 \\
        --no-programs --no-drums --velocities 0 --tempos 0
    """  # noqa: D301  (click takes the backspace character for "leave these lines as they are")
    from rich.console import Console

    from musegen.cli.progress import FilesDisplay
    from musegen.data.pianoroll import counts, encoder_config, read_pianorolls, write_folder
    from musegen.generation.constraints.texts import read_note_value

    quarters = read_note_value(grid) if grid else None
    read = read_pianorolls(file, kind)
    quarters = quarters or read.kind.grid
    config = encoder_config(read.kind, quarters)
    with FilesDisplay(Console(file=sys.stderr, highlight=False), "writing") as display:
        write_folder(read, output, quarters, force=force, on_progress=display.files)
    _print_table({split: counts(read.kind, pieces) for split, pieces in read.splits.items()})
    _say(output, read, quarters, config)


def _print_table(rows: dict[str, Counts]) -> None:
    """Print what each split has."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("split")
    titles = (
        "pieces",
        "frames",
        "predicted",
        "silent frames",
        "cells",
        "silent cells",
        "notes",
        "longest",
    )
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    for split, found in rows.items():
        table.add_row(split, *(f"{getattr(found, title.replace(' ', '_')):,}" for title in titles))
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 120, highlight=False).print(
        table
    )


def _say(output: Path, read: PianoRolls, grid: Fraction, config: EncoderConfig) -> None:
    """Say what was found, what will be lost, and how to go on."""
    from musegen.data.pianoroll import LOSSES

    parts = f"{read.kind.parts} voices" if read.kind.name == "voices" else "chords"
    click.echo(f"\n{output}: {parts}, frames of {grid / 4}")
    for what, meaning in LOSSES.items():
        pieces = [loss for loss in read.losses if loss.what == what]
        if pieces:
            click.echo(f"{len(pieces)} piece(s) {meaning}: {_named(pieces)}", err=True)
    click.echo(
        f"go on: musegen encode {output} -o STORE --split folders --steps-per-quarter {config.steps_per_quarter} "
        f"--parts {config.parts} --no-programs --no-drums --velocities 0 --tempos 0",
        err=True,
    )


def _named(pieces: list[Loss]) -> str:
    """Return the files of some pieces, the first few by name."""
    names = [f"{loss.split}/{loss.piece:03}.mid" for loss in pieces[:NAMED]]
    more = len(pieces) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
