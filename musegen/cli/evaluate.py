"""`musegen evaluate`: how well a model predicts music, compared with baselines."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from musegen.cli import evaluate_table, generated_table
from musegen.cli.evaluate_table import shown
from musegen.cli.options import (
    FILE,
    Sectioned,
    flag_name,
    force_option,
    given,
    json_option,
    refuse_together,
    seed_option,
    value,
)
from musegen.cli.tables import csv_text, json_text, write
from musegen.config import SamplerConfig

__all__ = ["evaluate", "shown"]

BARS = 8  # default length of primers and continuations


class _NoteValue(click.ParamType):  # type: ignore[type-arg]  # generic in stubs alone
    """A fraction of a whole note."""

    name = "note value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Fraction:
        """Read `1/16`."""
        try:
            note = Fraction(value)
        except (ValueError, ZeroDivisionError):
            note = Fraction(0)
        if note <= 0:
            self.fail(f"expected a note value such as 1/16. Received: {value!r}.", param, ctx)
        return note


GENERATING = "Generating (with --generate)"


@click.command(cls=Sectioned, short_help="Measure how well a model predicts music.")
@click.argument("checkpoint")
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@value(
    "--part",
    click.Choice(["test", "validation", "train", "all"]),
    "Pieces to predict: one part of a split, or all, which needs no split and has no n-gram.",
    default="test",
)
@value(
    "--split",
    click.Choice(["tunes", "folders"]),
    "How to split a folder of music. tunes: at random, with versions of a tune in one part. "
    "folders: by its subfolders train, validation (or valid) and test.",
    default="tunes",
)
@seed_option("Random seed of the split of a folder, and of what is generated.", default=0)
@value("--frame VALUE", _NoteValue(), "Also report nats per frame of this length, e.g. 1/16.")
@value("--voices N", click.IntRange(1), "Also report nats per cell: a frame has N cells.")
@value(
    "--order N",
    click.IntRange(1, 8),
    "Order of the n-gram.",
    shown="the one that predicts the validation pieces best",
)
@json_option()
@value("--csv FILE", FILE, "Also write a CSV file with one row per piece.", name="csv_file")
@force_option("Replace the file of --csv if it exists.")
@value(
    "--generate N",
    click.IntRange(2),
    "Continue N of the pieces, and compare with how they really continue.",
    name="pieces",
    heading=GENERATING,
)
@value(
    "--temperature T",
    click.FloatRange(0.001, 1000),
    "Randomness of the continuations.",
    default=SamplerConfig().temperature,
    heading=GENERATING,
)
@value(
    "--bars N",
    click.IntRange(1, 10_000),
    "Number of bars of each primer, and of each continuation.",
    default=BARS,
    heading=GENERATING,
)
def evaluate(
    checkpoint: str,
    data: Path,
    part: str,
    split: str,
    seed: int,
    frame: Fraction | None,
    voices: int | None,
    order: int | None,
    pieces: int | None,
    temperature: float,
    bars: int,
    as_json: bool,
    csv_file: Path | None,
    force: bool,
) -> None:
    """Measure how well CHECKPOINT predicts the music in DATA, in nats: lower is better.

    A nat is a unit of information, 1.44 bits. DATA is a token store of musegen encode, made with
    the encoding of the model, or a folder of music. The baselines are an n-gram and a unigram,
    which are counted in the training pieces of DATA, and the uniform distribution. The 95 %
    intervals show how much the figures depend on the choice of pieces.

    With --generate, the model also continues pieces from a barline, and two more tables compare
    its music, and that of the n-gram, with how the pieces really continue.
    """
    from musegen.cli.counter import Counter
    from musegen.evaluation import check_generating, evaluated, generated
    from musegen.model.checkpoint import load
    from musegen.utils.files import refuse_to_overwrite
    from musegen.utils.parallel import cores

    _check(data, part, frame, voices, order, pieces is not None)
    if csv_file is not None:
        refuse_to_overwrite(csv_file, force, "--csv")
    settings: dict[str, Any] = {"by_folder": split == "folders", "workers": max(2, cores())}
    loaded = load(checkpoint)
    if pieces is not None:
        check_generating(loaded, pieces, part, bars, temperature)
    generation = None
    with Counter() as counter:
        found = evaluated(
            loaded,
            data,
            part,
            frame=frame,
            voices=voices,
            order=order,
            seed=seed,
            on_files=counter.phase("encoding"),
            on_pieces=counter.phase("predicting", "pieces"),
            **settings,
        )
        if pieces is not None:
            generation = generated(
                loaded,
                data,
                pieces,
                part,
                bars=bars,
                temperature=temperature,
                seed=seed,
                split_seed=seed,
                order=next(
                    (each.order for each in found.predictors if each.name == "n-gram"), None
                ),
                on_pieces=counter.phase("generating", "continuations"),
                **settings,
            )
    if csv_file is not None:
        write(csv_file, csv_text(found.rows))
    if as_json:
        facts = evaluate_table.facts(found)
        if generation is not None:
            facts["generated"] = generated_table.facts(generation)
        click.echo(json_text(facts))
        return
    click.echo(shown(found, order), nl=False)
    if generation is not None:
        click.echo("\n" + generated_table.shown(generation), nl=False)


def _check(
    data: Path,
    part: str,
    frame: Fraction | None,
    voices: int | None,
    order: int | None,
    generates: bool,
) -> None:
    """Refuse options that contradict each other."""
    from musegen.data.store import is_store

    if voices is not None and frame is None:
        raise click.UsageError(
            "--voices counts the cells of a frame: add --frame, for example --frame 1/16."
        )
    if order is not None and part == "all":
        refuse_together("--part all", ["--order"], "It has no n-gram.")
    if not generates and (names := given({"temperature": None, "bars": None})):
        raise click.UsageError(
            f"options of --generate were given without it: {', '.join(map(flag_name, names))}. "
            "Add --generate, or leave them out."
        )
    names = given({"split": None} if generates else {"split": None, "seed": None})
    if part == "all":
        refuse_together(
            "--part all", map(flag_name, names), "It takes all pieces, without a split."
        )
    if names and is_store(data):
        raise click.UsageError(
            f"{data} is a token store and is split already: leave out "
            f"{' and '.join(map(flag_name, names))}."
        )
