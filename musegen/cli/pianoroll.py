"""`musegen pianoroll`: convert piano-roll data sets to folders of MIDI files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musegen.cli.options import ANY_PATH, INPUT_FILE, force_option, value

if TYPE_CHECKING:
    from musegen.config import EncoderConfig
    from musegen.data.pianoroll import Loss, PianoRolls

__all__ = ["frames", "pianoroll"]

NAMED = 5  # pieces named per kind of loss
COUNTS = (
    *("pieces", "frames", "predicted", "silent frames"),
    *("cells", "silent cells", "notes", "longest"),
)
KIND_HELP = """\
voices: an entry for each voice, a run of equal pitches is one note. chords: sets of pitches, each
struck again. auto: voices if all frames list equally many entries."""


@click.command(short_help="Convert a piano-roll data set to MIDI files.")
@click.argument("file", type=INPUT_FILE)
@value("-o, --output FOLDER", ANY_PATH, "Folder to write.", required=True)
@value(
    "--grid VALUE",
    str,
    "Length of a frame as a note value.",
    shown="1/16 for voices, 1/4 for chords",
)
@value("--kind", click.Choice(["auto", "voices", "chords"]), KIND_HELP, default="auto")
@force_option("Replace what an earlier run wrote into the folder, and nothing else.")
def pianoroll(file: Path, output: Path, grid: str | None, kind: str, force: bool) -> None:
    """Write the pieces of FILE, JSON, as MIDI files in the folders train, validation and test.

    FILE, optionally compressed by gzip, has an object of train, valid and test, each a list of
    pieces, which are lists of frames, which are lists of pitches; -1 is a silent voice. Splits,
    notes and rests stay as they are, so likelihoods of the files are likelihoods of the frames.

    \b
    musegen pianoroll Jsb16thSeparated.json -o jsb16
    musegen encode jsb16 -o store --split folders --steps-per-quarter 4 --parts 4 \\
        --no-programs --no-drums --velocities 0 --tempos 0
    """  # noqa: D301  (click takes the backspace character for "leave these lines as they are")
    from musegen.cli.counter import Counter
    from musegen.cli.tables import Column, show, table
    from musegen.data.pianoroll import counts, encoder_config, read_pianorolls, write_folder
    from musegen.generation.constraints.texts import read_note_value

    quarters = read_note_value(grid) if grid else None
    rolls = read_pianorolls(file, kind)
    quarters = quarters or rolls.kind.grid
    config = encoder_config(rolls.kind, quarters)
    with Counter() as counter:
        on_progress = counter.phase("writing", "pieces")
        write_folder(rolls, output, quarters, force=force, on_progress=on_progress)
    rows = []
    for split, pieces in rolls.splits.items():
        counted = counts(rolls.kind, pieces)
        values = [getattr(counted, title.replace(" ", "_")) for title in COUNTS]
        rows.append([split, *(f"{value:,}" for value in values)])
    parts = f"{rolls.kind.parts} voices" if rolls.kind.name == "voices" else "chords"
    summary = f"{output}: {parts}, frames of {quarters / 4}"
    show(table([Column("split", text=True), *COUNTS], rows), "", summary)
    _print_hints(output, rolls, config)


def _print_hints(output: Path, rolls: PianoRolls, config: EncoderConfig) -> None:
    """Print what the pieces lose, and the command that encodes them."""
    from musegen.data.pianoroll import LOSSES

    for what, meaning in LOSSES.items():
        pieces = [loss for loss in rolls.losses if loss.what == what]
        if pieces:
            click.echo(f"{len(pieces)} piece(s) {meaning}: {_named(pieces)}", err=True)
    click.echo(
        f"next: musegen encode {output} -o STORE --split folders --steps-per-quarter "
        f"{config.steps_per_quarter} --parts {config.parts} --no-programs --no-drums "
        "--velocities 0 --tempos 0",
        err=True,
    )


def _named(pieces: list[Loss]) -> str:
    """Return the files of some pieces, the first few by name."""
    names = [f"{loss.split}/{loss.piece:03}.mid" for loss in pieces[:NAMED]]
    more = len(pieces) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


@click.command(
    "frames",
    hidden=True,
    params=pianoroll.params,
    short_help="Deprecated name of `musegen pianoroll`.",
    help="Deprecated: use `musegen pianoroll`, which this runs.",
)
@click.pass_context
def frames(context: click.Context, /, **options: Any) -> None:
    """Run `musegen pianoroll`, with a warning."""
    click.echo("musegen frames is deprecated. Use musegen pianoroll instead.", err=True)
    context.invoke(pianoroll, **options)
