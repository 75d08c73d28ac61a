"""`musegen batch`: compose many pieces, from many primers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musegen.cli.batch_report import facts, print_replayed, print_report, replayed_facts
from musegen.cli.options import (
    ANY_PATH,
    Sectioned,
    checkpoint_option,
    flag_name,
    force_option,
    given,
    json_option,
    refuse_together,
    seed_option,
    value,
    workers_option,
)
from musegen.cli.sampling import piece_options, sampling_options
from musegen.cli.tables import print_json
from musegen.errors import MusegenError

if TYPE_CHECKING:
    from musegen.batch import Rank

__all__ = ["batch"]


class Numbers(click.ParamType):  # type: ignore[type-arg]  # generic in stubs alone
    """Numbers and ranges of numbers: `17`, `17,20-25`."""

    name = "NUMBERS"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> frozenset[int]:
        """Return the numbers."""
        numbers: set[int] = set()
        for text in str(value).split(","):
            match = re.fullmatch(r"\s*(\d{1,10})(?:-(\d{1,10}))?\s*", text)
            first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
            if not 0 <= last - first < 1_000_000:
                self.fail(
                    f"expected numbers or ranges such as 17 or 17,20-25. Received: {value!r}.",
                    param,
                    ctx,
                )
            numbers.update(range(first, last + 1))
        return frozenset(numbers)


@click.command(cls=Sectioned, short_help="Compose many pieces, from many primers.")
@click.argument("primers", nargs=-1, type=ANY_PATH)
@value(
    "-o, --output-dir FOLDER",
    ANY_PATH,
    "Folder for the pieces; with --replay, also a file for a single piece.",
)
@value("--count N", click.IntRange(1), "Total number of pieces; the primers are used in rotation.")
@value(
    "--per-primer N",
    click.IntRange(1),
    "Number of pieces per primer.",
    shown="one per combination of the values in --sweep",
)
@value(
    "--sweep NAME=VALUES",
    str,
    "Vary an option: temperature=0.7:1.2:0.1 (from:to:step), or top_p=0.9,0.95. Can be repeated.",
    multiple=True,
)
@piece_options("the primer")
@seed_option(
    "Random seed, from which the seeds of the pieces are derived.",
    shown="that of the existing batch, or random",
)
@checkpoint_option("each primer")
@value("--keep N", click.IntRange(1), "Keep only the N best pieces, without near duplicates.")
@value(
    "--rank MEASURE",
    str,
    "What --keep ranks by: likelihood, novelty, similarity-to-primer or the name of a measure; "
    "add :low or :high to say which is best.",
    shown="likelihood",
)
@workers_option()
@value("--replay MANIFEST", ANY_PATH, "Make pieces of a manifest.jsonl again, bit for bit.")
@value("--only NUMBERS", Numbers(), "With --replay: numbers of the pieces, e.g. 17,20-25.")
@json_option("Print the report as JSON.")
@force_option("Remove the existing batch and start again; other files in the folder are kept.")
@sampling_options
def batch(
    primers: tuple[Path, ...],
    output_dir: Path | None,
    replay: Path | None,
    only: frozenset[int] | None,
    workers: int,
    as_json: bool,
    force: bool,
    **options: Any,
) -> None:
    """Continue PRIMERS, which are files, folders or patterns. Without any, compose new pieces.

    An interrupted run continues where it stopped when the command is repeated. manifest.jsonl in
    the folder describes each piece in a row, with everything needed to make it again. The same
    seed gives the same files, for any --workers and --count, and musegen compose makes the same
    piece from the seed in its row.
    """
    if replay is not None:
        refuse_together(
            "--replay",
            [*(["PRIMERS"] if primers else []), *map(flag_name, given(options))],
            "It takes everything from the manifest.",
        )
        _replay(replay, only, output_dir, workers, as_json, force)
    elif only is not None:
        raise click.UsageError("--only selects pieces of a manifest: add --replay.")
    elif output_dir is None:
        raise click.UsageError("expected --output-dir, the folder for the pieces. Received: none.")
    else:
        _make(primers, output_dir, workers, as_json, force, **options)


def _make(
    primers: tuple[Path, ...],
    output_dir: Path,
    workers: int,
    as_json: bool,
    force: bool,
    *,
    sweep: tuple[str, ...],
    temperature: tuple[dict[str, Any], ...],
    keep: int | None,
    rank: str | None,
    **options: Any,
) -> None:
    """Make a batch."""
    from musegen.batch import Rank, planned, run
    from musegen.cli.counter import Counter

    ranking = None if rank is None else Rank.parse(rank)
    _check(bool(primers), keep, ranking, options)
    sweeps = _sweeps(sweep, temperature, options)
    try:
        with Counter() as counter:
            plan = planned(
                primers,
                output_dir,
                sweep=sweeps,
                workers=workers,
                force=force,
                on_progress=counter.phase("reading primers", "primers"),
                **options,
                **temperature[0],
            )
            counter.console.print(f"seed {plan.seed}")
            report = run(
                plan,
                workers=workers,
                keep=keep,
                rank=ranking,
                force=force,
                on_progress=counter.phase("composing", "pieces"),
            )
    except KeyboardInterrupt:
        raise MusegenError(
            f"stopped. The pieces made so far are kept in {output_dir}. "
            "Repeat the command to continue."
        ) from None
    if as_json:
        print_json(facts(plan, report))
    else:
        print_report(output_dir, report, ranking)
    click.get_current_context().exit(1 if report.failed else 0)


def _check(primers: bool, keep: int | None, rank: Rank | None, options: dict[str, Any]) -> None:
    """Refuse options that contradict each other.

    Args:
        primers: Whether there are any.
        keep: How many pieces to keep.
        rank: What to rank them by.
        options: The options of a piece, with `count` and `per_primer`.
    """
    if options["count"] and options["per_primer"]:
        refuse_together(
            "--count", ["--per-primer"], "The number of pieces is in total or per primer."
        )
    if rank is not None and keep is None:
        raise click.UsageError("--rank decides which pieces are kept: add --keep.")
    if rank is not None and rank.name == "similarity-to-primer" and not primers:
        raise click.UsageError("--rank similarity-to-primer needs PRIMERS. Received: none.")
    if options["inject"]:
        if not primers:
            raise click.UsageError("--inject needs PRIMERS to accompany. Received: none.")
        names = sorted(given(options).keys() & {"bars", "only_continuation"})
        why = "It accompanies all bars of the primers."
        refuse_together("--inject", map(flag_name, names), why)


def _sweeps(
    texts: tuple[str, ...], temperature: tuple[dict[str, Any], ...], options: dict[str, Any]
) -> dict[str, list[Any]]:
    """Return the values of the options that are varied; the temperature's change slowest."""
    from musegen.batch import parse_sweeps

    sweeps = parse_sweeps(texts)
    both = sorted(sweeps.keys() & given(options).keys())
    if len(temperature) > 1:
        both += sweeps.keys() & {"temperature"}
        sweeps = {"temperature": [setting["temperature"] for setting in temperature], **sweeps}
    for name in both:
        refuse_together(
            f"--sweep {name}", [flag_name(name)], "An option is either fixed or varied."
        )
    return sweeps


def _replay(
    manifest: Path,
    only: frozenset[int] | None,
    output: Path | None,
    workers: int,
    as_json: bool,
    force: bool,
) -> None:
    """Make pieces again, and say of each whether it is the same."""
    from musegen.batch import replay

    pieces = []
    try:
        for piece in replay(manifest, only, output, workers=workers, force=force):
            pieces.append(piece)
            if not as_json:
                print_replayed(piece)
    except KeyboardInterrupt:
        raise MusegenError("stopped. The pieces listed above are complete.") from None
    if as_json:
        print_json(
            {"manifest": str(manifest), "pieces": [replayed_facts(piece) for piece in pieces]}
        )
    click.get_current_context().exit(1 if any(piece.error for piece in pieces) else 0)
