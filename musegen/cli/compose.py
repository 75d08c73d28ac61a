"""`musegen compose`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musegen.cli.options import given
from musegen.config import SamplerConfig

if TYPE_CHECKING:
    from musegen.composer import Composition

__all__ = ["compose"]


class BarRange(click.ParamType):  # type: ignore[type-arg]  # generic in stubs alone
    """One bar, or the first and the last of several: `5`, `5-8`."""

    name = "BARS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Return the first and the last."""
        found = re.fullmatch(r"(\d{1,7})(?:-(\d{1,7}))?", str(value))
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if first > last:
            self.fail(f"one bar or a range was expected, as 5 or 5-8. Received: {value!r}. Count from 1.", param, ctx)
        return first, last


@click.command(short_help="Continue a piece, or compose a new one.")
@click.argument("primer", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--new", is_flag=True, help="Compose from nothing, without a PRIMER.")
@click.option("--fill", metavar="BARS", type=BarRange(),
              help="Put new music into these bars, as 5-8 or 5, from what stands on both sides.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path),
              help="MIDI file to write.  [default: PRIMER-continued.mid or PRIMER-filled.mid]")  # fmt: skip
@click.option("--bars", default=16, show_default=True, type=click.IntRange(1, 10_000), help="Bars to add.")
@click.option("--temperature", default=SamplerConfig.temperature, show_default=True,
              help="Below 1 safer, above 1 bolder.")  # fmt: skip
@click.option("--top-k", default=SamplerConfig.top_k, show_default=True,
              help="Choose among the k likeliest tokens; 0 for all.")  # fmt: skip
@click.option("--top-p", default=SamplerConfig.top_p, show_default=True,
              help="Choose among the likeliest that together reach this probability.")  # fmt: skip
@click.option("--min-p", default=SamplerConfig.min_p, show_default=True,
              help="Choose among those at least this fraction as likely as the likeliest.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), help="The same seed makes the same piece.  [default: a new one]")
@click.option("--checkpoint", default="auto", show_default=True,
              help="Name or path of a model; auto takes the one that knows PRIMER best.")  # fmt: skip
@click.option("--only-continuation", is_flag=True, help="Leave the primer out of the file.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--force", is_flag=True, help="Replace the output file if it exists.")
def compose(
    primer: Path | None, new: bool, fill: tuple[int, int] | None, output: Path | None, checkpoint: str,
    only_continuation: bool, as_json: bool, force: bool, **options: Any,
) -> None:  # fmt: skip
    """Continue PRIMER, a MIDI file (.mid) or written music (.musicxml, .mxl, .abc).

    The primer comes back untouched, every event at its tick; the continuation starts on the
    barline after its last note, on the same tracks, in the same meter and tempo.

    With --fill the music in some bars is replaced, and everything else stays; this takes a model that
    was trained to fill gaps (musegen train --future).
    """
    if (primer is None) == (not new):
        raise click.UsageError("give a PRIMER to continue, or --new to compose from nothing.")
    if fill is not None and (new or only_continuation or "bars" in given(options)):
        raise click.UsageError("--fill says which bars, and cannot stand with --new, --bars or --only-continuation.")
    from musegen.composing import compose_file, infill_file

    if primer is not None and fill is not None:
        del options["bars"]
        output, composition, candidates = infill_file(primer, fill, output, checkpoint, force=force, **options)
        options = {"fill": list(fill), **options}
    else:
        output, composition, candidates = compose_file(
            primer, output, checkpoint, only_continuation=only_continuation, force=force, **options
        )
    facts = report(primer, output, composition, candidates, options)
    click.echo(json.dumps(facts, ensure_ascii=False) if as_json else summary(facts))


def report(
    primer: Path | None, output: Path, made: Composition, candidates: dict[str, float], options: dict[str, Any]
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
        "tracks_continued": list(made.read),
        "tracks_left_out": [{"track": name, "reason": reason} for name, reason in made.left_out],
    }


def summary(facts: dict[str, Any]) -> str:
    """Return the report as lines for a person."""
    others = ", ".join(f"{name} {nats:.2f}" for name, nats in facts["candidates"].items())
    fill = facts.get("fill")
    bars = f"bars {fill[0]} to {fill[1]} filled" if fill else f"{facts['bars']} bars"
    done = "filled" if fill else "continued"
    lines = [
        f"{facts['output']}",
        f"  {bars}, {facts['notes']} notes added; {facts['seconds']:.1f} s in all",
        f"  checkpoint {facts['checkpoint']}"
        + (f" (nats per note of the primer: {others})" if len(facts["candidates"]) > 1 else ""),
        f"  seed {facts['seed']}, {facts['nats_per_note']:.2f} nats per note",
    ]
    if facts["tracks_continued"]:
        lines.append(f"  {done}: {', '.join(facts['tracks_continued'])}")
    lines += [f"  not {done}: {t['track']} ({t['reason']})" for t in facts["tracks_left_out"]]
    return "\n".join(lines)
