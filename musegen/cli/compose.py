"""`musegen compose`: continue, accompany or fill in one piece, or compose a new one."""

from __future__ import annotations

import re
import secrets
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from musegen.cli.compose_report import report, summary
from musegen.cli.options import (
    ANY_PATH,
    INPUT_FILE,
    Sectioned,
    checkpoint_option,
    flag,
    flag_name,
    force_option,
    given,
    json_option,
    refuse_together,
    seed_option,
    value,
)
from musegen.cli.sampling import piece_options, sampling_options
from musegen.cli.tables import print_json
from musegen.config import ConstraintConfig, SamplerConfig

__all__ = ["compose"]

WITH_FILL = {"seed", *(field.name for field in fields(SamplerConfig))}
"""Options of a piece that can be combined with `--fill`."""
NOT_WITH_FILL = {
    "bars",
    "inject",
    "primer_bars",
    "max_copied",
    *(field.name for field in fields(ConstraintConfig)),
}


class BarRange(click.ParamType):  # type: ignore[type-arg]  # generic in stubs alone
    """One bar, or the first and the last of a range: `5`, `5-8`."""

    name = "BARS"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Return the first and the last bar."""
        match = re.fullmatch(r"(\d{1,7})(?:-(\d{1,7}))?", str(value))
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            self.fail(
                "expected a bar or a range of bars, counted from 1, such as 5 or 5-8. "
                f"Received: {value!r}.",
                param,
                ctx,
            )
        return first, last


@click.command(cls=Sectioned, short_help="Continue a piece, or compose a new one.")
@click.argument("primer", required=False, type=INPUT_FILE)
@flag("--new", "Compose a new piece, without a PRIMER.")
@value(
    "--fill BARS",
    BarRange(),
    "Replace these bars, e.g. 5-8 or 5, with music that fits what precedes and follows them.",
)
@value(
    "-o, --output FILE",
    ANY_PATH,
    "MIDI file to write.",
    shown="PRIMER-continued.mid, PRIMER-filled.mid or PRIMER-accompanied.mid",
)
@value(
    "--count N",
    click.IntRange(1, 1000),
    "Number of variations to write; their seeds are consecutive.",
    default=1,
)
@piece_options("PRIMER")
@seed_option("Random seed: the same seed gives the same piece.", shown="random")
@checkpoint_option("PRIMER")
@value(
    "--engine",
    click.Choice(["auto", "numpy", "keras"]),
    "What computes the network; keras: for GPUs and many pieces; auto: numpy.",
    default="auto",
)
@json_option("Print the report as JSON, one object per line for each variation.")
@force_option("Replace the output file if it exists.")
@sampling_options
def compose(
    primer: Path | None,
    new: bool,
    fill: tuple[int, int] | None,
    output: Path | None,
    checkpoint: str,
    count: int,
    engine: str,
    temperature: tuple[dict[str, Any], ...],
    only_continuation: bool,
    as_json: bool,
    force: bool,
    **options: Any,
) -> None:
    """Continue PRIMER, a MIDI file (.mid) or a score (.musicxml, .mxl, .abc, .krn).

    One tune of an ABC file with several is chosen by its number: book.abc#12.

    The primer is the music to continue. The output keeps all of its events; the continuation
    starts at the barline where it ends, on the same tracks, in the same meter and tempo.

    With --fill, the music in some bars is replaced and everything else is kept; this needs a model
    trained for infilling (musegen train --future).
    """
    if (primer is None) == (not new):
        raise click.UsageError(
            "expected either a PRIMER to continue, or --new to compose a new piece. "
            f"Received: {'both' if new else 'neither'}."
        )
    everything = {
        "new": new,
        "count": count > 1,
        "temperature": len(temperature) > 1,
        "engine": engine == "keras",
        "only_continuation": only_continuation,
    }
    _check(fill, everything, options)
    from musegen.generation.compose_file import compose_files, infill_file

    say = print_json if as_json else _print
    if primer is not None and fill is not None:
        drawn = {name: value for name, value in options.items() if name in WITH_FILL}
        drawn |= temperature[0]
        path, piece, candidates = infill_file(
            primer, fill, output, checkpoint, force=force, **drawn
        )
        say(report(primer, path, piece, candidates, {"fill": list(fill), **drawn}))
        return
    first = secrets.randbelow(2**31) if options["seed"] is None else options["seed"]
    variations = [
        {**options, **temperatures, "seed": first + n}
        for temperatures in temperature
        for n in range(count)
    ]
    composer, candidates, written = compose_files(
        primer,
        variations,
        output,
        checkpoint,
        only_continuation=only_continuation,
        force=force,
        engine=engine,
    )
    for variation, (path, piece) in zip(variations, written, strict=True):
        say(report(primer, path, piece, candidates, variation, composer.copied(piece)))


def _check(
    fill: tuple[int, int] | None, everything: dict[str, bool], options: dict[str, Any]
) -> None:
    """Refuse options that contradict each other.

    Args:
        fill: The bars to fill.
        everything: Which of the options that are not those of a piece were given.
        options: The options of a piece.
    """
    own = given(options).keys()
    if fill is not None:
        names = [name for name, is_given in everything.items() if is_given]
        refuse_together(
            "--fill",
            map(flag_name, [*names, *sorted(own & NOT_WITH_FILL)]),
            "It replaces bars of one primer, once, at one temperature and without constraints.",
        )
    if options["inject"]:
        names = [name for name in ("new", "only_continuation") if everything[name]]
        refuse_together(
            "--inject",
            map(flag_name, [*names, *sorted(own & {"bars"})]),
            "It accompanies all bars of a primer.",
        )


def _print(facts: dict[str, Any]) -> None:
    click.echo(summary(facts))
