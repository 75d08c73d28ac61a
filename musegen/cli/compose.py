"""`musegen compose`."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musegen.cli.options import Sectioned, given
from musegen.cli.sampling import sampling_options
from musegen.config import ConstraintConfig, SamplerConfig

if TYPE_CHECKING:
    from musegen.data.novelty import Copied
    from musegen.generation.composer import Composition

__all__ = ["compose"]

SAMPLING = {field.name for field in fields(SamplerConfig)} | {"seed"}
NOT_WITH_FILL = {
    "bars",
    "inject",
    "primer_bars",
    "max_copied",
    *(field.name for field in fields(ConstraintConfig)),
}
WHY = {
    "repetition": "it went in circles",
    "one note": "it stuck on one note",
    "copied": "it copied a training piece",
}
"""Reason of a rewind → in words."""


class BarRange(click.ParamType):  # type: ignore[type-arg]  # generic in stubs alone
    """One bar, or the first and the last of several: `5`, `5-8`."""

    name = "BARS"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Return the first and the last."""
        found = re.fullmatch(r"(\d{1,7})(?:-(\d{1,7}))?", str(value))
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if first > last:
            self.fail(
                f"one bar or a range was expected, as 5 or 5-8. Received: {value!r}. Count from 1.",
                param,
                ctx,
            )
        return first, last


@click.command(cls=Sectioned, short_help="Continue a piece, or compose a new one.")
@click.argument(
    "primer", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--new", is_flag=True, help="Compose from nothing, without a PRIMER.")
@click.option(
    "--fill",
    metavar="BARS",
    type=BarRange(),
    help="Put new music into these bars, as 5-8 or 5, from what stands on both sides.",
)
@click.option(
    "--inject",
    is_flag=True,
    help="Play beside PRIMER, in other parts, instead of going on after it.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="MIDI file to write.  [default: PRIMER-continued.mid, -filled.mid or -accompanied.mid]",
)
@click.option(
    "--bars", default=16, show_default=True, type=click.IntRange(1, 10_000), help="Bars to add."
)
@click.option(
    "--count",
    default=1,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Write so many variations, with seeds that follow each other.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    help="The same seed makes the same piece.  [default: a new one]",
)
@click.option(
    "--checkpoint",
    default="auto",
    show_default=True,
    help="Name or path of a model; auto takes the one that knows PRIMER best.",
)
@click.option(
    "--primer-bars",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Let the model hear so many of the last bars of PRIMER; 0 for all.",
)
@click.option(
    "--max-copied",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Notes in a row that may be as in a training piece; 0 for any number.",
)
@click.option(
    "--engine",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "numpy", "keras"]),
    help="What computes the network: keras is for GPUs and many pieces; auto is numpy.",
)
@click.option("--only-continuation", is_flag=True, help="Leave the primer out of the file.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the report as JSON; of several pieces a line each.",
)
@click.option("--force", is_flag=True, help="Replace the output file if it exists.")
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
    """Continue PRIMER, a MIDI file (.mid) or written music (.musicxml, .mxl, .abc).

    The primer comes back untouched, every event at its tick; the continuation starts on the
    barline after its last note, on the same tracks, in the same meter and tempo.

    With --fill the music in some bars is replaced, and everything else stays; this takes a model
    that was trained to fill gaps (musegen train --future).
    """
    if (primer is None) == (not new):
        both = ", and not both" if new else ""
        raise click.UsageError(
            f"give a PRIMER to continue, or --new to compose from nothing{both}."
        )
    several = len(temperature) * count > 1
    if fill is not None and (
        new
        or several
        or engine == "keras"
        or only_continuation
        or given(options).keys() & NOT_WITH_FILL
    ):
        raise click.UsageError(
            "--fill says which bars, and puts one piece in. It cannot stand with --new, --count, a sweep, --engine, "
            f"--only-continuation, constraints, {', '.join(_flag(name) for name in sorted(NOT_WITH_FILL))}."
        )
    if options["inject"] and (new or only_continuation or "bars" in given(options)):
        raise click.UsageError(
            "--inject plays beside PRIMER, and cannot stand with --new, --bars or --only-continuation."
        )
    from musegen.generation.compose import compose_files, infill_file

    if primer is not None and fill is not None:
        drawn = {name: value for name, value in options.items() if name in SAMPLING} | temperature[
            0
        ]
        path, made, candidates = infill_file(primer, fill, output, checkpoint, force=force, **drawn)
        facts = report(primer, path, made, candidates, {"fill": list(fill), **drawn})
        click.echo(json.dumps(facts, ensure_ascii=False) if as_json else summary(facts))
        return
    first = secrets.randbelow(2**31) if options["seed"] is None else options["seed"]
    variations = [
        {**options, **heat, "seed": first + n} for heat in temperature for n in range(count)
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
    for variation, (path, made) in zip(variations, written, strict=True):
        facts = report(primer, path, made, candidates, variation, composer.copied(made))
        click.echo(json.dumps(facts, ensure_ascii=False) if as_json else summary(facts))


def report(
    primer: Path | None,
    output: Path,
    made: Composition,
    candidates: dict[str, float],
    options: dict[str, Any],
    copied: Copied | None = None,
) -> dict[str, Any]:
    """Return what a person or a machine wants to know of the piece."""
    return {
        "output": str(output),
        "primer": str(primer) if primer else None,
        "checkpoint": made.checkpoint,
        "candidates": {name: round(nats, 3) for name, nats in candidates.items()},
        **{name: value for name, value in options.items() if name != "seed"},
        "seed": made.seed,
        "start_tick": made.start,
        "notes": len(made.added),
        "seconds": round(made.score.duration, 2),
        "nats_per_note": round(made.nats_per_note, 3),
        "copied": None if copied is None else asdict(copied),
        "rewinds": [rewind._asdict() for rewind in made.backtracks],
        "gave_way": made.relaxed,
        "tracks_continued": list(made.read),
        "tracks_left_out": [{"track": name, "reason": reason} for name, reason in made.left_out],
    }


def summary(facts: dict[str, Any]) -> str:
    """Return the report as lines for a person."""
    others = ", ".join(f"{name} {nats:.2f}" for name, nats in facts["candidates"].items())
    fill = facts.get("fill")
    bars = f"bars {fill[0]} to {fill[1]} filled" if fill else f"{facts['bars']} bars"
    bars = "all bars of the primer" if facts.get("inject") else bars
    done = "filled" if fill else "accompanied" if facts.get("inject") else "continued"
    lines = [
        f"{facts['output']}",
        f"  {bars}, {facts['notes']} notes added; {facts['seconds']:.1f} s of music",
        f"  checkpoint {facts['checkpoint']}"
        + (f" (nats per note of the primer: {others})" if len(facts["candidates"]) > 1 else ""),
        f"  seed {facts['seed']}, {facts['nats_per_note']:.2f} nats per note",
    ]
    if facts["copied"] is not None:
        lines.append(f"  {_copied(facts['copied'])}")
    lines += [_rewound(rewind) for rewind in facts["rewinds"]]
    if facts["gave_way"]:
        lines.append(
            f"  {facts['gave_way']} choices against the constraints: nothing else was left"
        )
    if facts["tracks_continued"]:
        lines.append(f"  {done}: {', '.join(facts['tracks_continued'])}")
    lines += [f"  not {done}: {t['track']} ({t['reason']})" for t in facts["tracks_left_out"]]
    return "\n".join(lines)


def _copied(copied: dict[str, Any]) -> str:
    if not copied["notes"]:
        return "longest copied run: none"
    return f"longest copied run: {copied['notes']} notes, as in {copied['piece']} from bar {copied['bar_there']}"


def _rewound(rewind: dict[str, Any]) -> str:
    tries = f"{rewind['tries']} time{'' if rewind['tries'] == 1 else 's'}"
    line = f"  written anew from bar {rewind['bar']} of what was added, {tries}: {WHY[rewind['reason']]}"
    return line if rewind["solved"] else f"{line}; then left as it was"


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
