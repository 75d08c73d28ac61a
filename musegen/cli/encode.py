"""`musegen encode`: encode folders of music into a token store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musegen.cli.config_options import encoder_options, of, recipe_option
from musegen.cli.options import ANY_PATH, force_option, value, workers_option
from musegen.config import EncoderConfig, TrainingConfig
from musegen.errors import MusegenError

if TYPE_CHECKING:
    from musegen.cli.recipes import Recipe
    from musegen.data.store import Store

__all__ = ["encode"]

MEANINGS = {
    "kept": "pieces",
    "duplicate": "the notes of an earlier file, in any key and tempo",
    "empty": "no notes that the encoding carries",
    "too long": "more than --max-tokens, or than 16 MiB",
    "unencodable": "more tracks than --parts, or far too many bars",
    "broken": "cannot be read",
}


@click.command(short_help="Encode folders of music into a token store.")
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@value("-o, --output STORE", ANY_PATH, "Folder of the store.", required=True)
@recipe_option
@encoder_options
@workers_option()
@value("--seed SEED", int, "Random seed of the split.", default=TrainingConfig.seed)
@value(
    "--held-out FRACTION",
    float,
    "Fraction of the pieces held out for validation, and the same again for test.",
    default=0.05,
)
@value(
    "--split",
    click.Choice(["tunes", "folders"]),
    "tunes: at random, with versions of a tune in one part. folders: by folders called train, "
    "validation (or valid) and test; no file is left out as a duplicate.",
    default="tunes",
)
@value("--max-tokens N", int, "Leave out pieces of more tokens.", default=2**20)
@force_option(
    "Start over: remove the content of the store. A folder that is not a store is never touched."
)
def encode(
    folders: tuple[Path, ...],
    output: Path,
    recipe: Recipe | None,
    workers: int,
    seed: int,
    held_out: float,
    split: str,
    max_tokens: int,
    force: bool,
    **settings: Any,
) -> None:
    """Encode all MIDI and notation files under FOLDERS into a store that `musegen train` reads.

    Run again, it encodes new and changed files, and a run that was stopped resumes. Name every
    folder in each run: pieces of folders that are not named are dropped. report.tsv in the store
    lists every file and whether it was kept. Files with the same notes count once; versions of one
    tune stay together when pieces are held out.
    """
    from musegen.cli.counter import Counter
    from musegen.cli.tables import stderr
    from musegen.data.store import ingest
    from musegen.encoding.encoder import Encoder

    encoder = Encoder(of(EncoderConfig, settings))
    dropped: list[int] = []
    try:
        with Counter() as counter:
            store = ingest(
                folders,
                output,
                encoder,
                workers=workers,
                seed=seed,
                held_out=held_out,
                by_folder=split == "folders",
                max_tokens=max_tokens,
                force=force,
                on_progress=counter.phase("encoding"),
                on_dropped=dropped.append,
            )
    except KeyboardInterrupt:
        raise MusegenError(
            f"stopped. The work so far is kept in {output}: give the same command to go on."
        ) from None
    files = sum(store.report.values())
    stderr().print(_table(store))
    if dropped:
        click.echo(
            f"{dropped[0]:,} pieces that were in {output} were dropped: their files are gone, or "
            "in folders that were not named now. To restore them, name their folders too.",
            err=True,
        )
    if not len(store):
        raise MusegenError(
            f"none of {files} files was kept: {output / 'report.tsv'} gives the reason for each."
        )
    click.echo(f"{output}: {len(store)} pieces, {store.lengths.sum()} tokens")


def _table(store: Store) -> Any:
    from musegen.cli.tables import Column, table

    columns = [Column("files"), Column("", text=True), Column("", text=True)]
    counts = [(status, count) for status, count in store.report.items() if count]
    return table(columns, [(f"{count:,}", status, MEANINGS[status]) for status, count in counts])
