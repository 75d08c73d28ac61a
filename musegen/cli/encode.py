"""`musegen encode`: folders of music as a token store."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from musegen.cli.options import encoder_options, of, recipe_option
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
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="The store, a folder."
)
@recipe_option
@encoder_options
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Processes.  [default: one for each core, at least 2]",
)
@click.option("--seed", default=TrainingConfig.seed, show_default=True, help="Seeds the split.")
@click.option(
    "--held-out",
    default=0.05,
    show_default=True,
    help="Share of validation, and again of test pieces.",
)
@click.option(
    "--split",
    type=click.Choice(["tunes", "folders"]),
    default="tunes",
    show_default=True,
    help="tunes: drawn, versions of a tune together. folders: as folders called train, validation (or valid) "
    "and test say; no file is left out as a duplicate.",
)
@click.option("--max-tokens", default=2**20, show_default=True, help="Longer pieces are left out.")
@click.option(
    "--force",
    is_flag=True,
    help="Start anew: remove what is in the store. What is no store is never touched.",
)
def encode(
    folders: tuple[Path, ...],
    output: Path,
    recipe: Recipe | None,
    workers: int | None,
    seed: int,
    held_out: float,
    split: str,
    max_tokens: int,
    force: bool,
    **settings: Any,
) -> None:
    """Encode all music under FOLDERS, MIDI and written, into a store that `musegen train` reads.

    Run again, it encodes what is new or has changed; stopped, it goes on. Name every folder on each
    run: the pieces of folders that are not named are dropped. report.tsv in the store says what
    became of each file. Files with the same notes count once, versions of one tune are kept
    together when pieces are held out.
    """
    from rich.console import Console

    from musegen.cli.progress import FilesDisplay
    from musegen.data.store import ingest
    from musegen.encoding.encoder import Encoder
    from musegen.utils.parallel import cores

    encoder = Encoder(of(EncoderConfig, settings))
    console = Console(file=sys.stderr, highlight=False)
    dropped: list[int] = []
    try:
        with FilesDisplay(console, "encoding") as display:
            # Two at the least: a file that crashes its reader must not end the run.
            store = ingest(
                folders,
                output,
                encoder,
                workers=workers or max(2, cores()),
                seed=seed,
                held_out=held_out,
                by_folder=split == "folders",
                max_tokens=max_tokens,
                force=force,
                on_progress=display.files,
                on_dropped=dropped.append,
            )
    except KeyboardInterrupt:
        raise MusegenError(
            f"stopped. What is in {output} is kept: give the same command to go on."
        ) from None
    files = sum(store.report.values())
    console.print(_table(store))
    if dropped:
        click.echo(
            f"{dropped[0]:,} pieces that were in {output} were dropped: their files are gone, or in folders that were "
            "not named now. To have them back, name their folders too.",
            err=True,
        )
    if not len(store):
        raise MusegenError(
            f"none of {files} files was kept: {output / 'report.tsv'} says why of each."
        )
    click.echo(f"{output}: {len(store)} pieces, {store.lengths.sum()} tokens")


def _table(store: Store) -> Any:
    from rich.table import Table

    table = Table("files", "", "", box=None, header_style="", pad_edge=False)
    table.columns[0].justify = "right"
    for status, count in store.report.items():
        if count:
            table.add_row(f"{count:,}", status, MEANINGS[status])
    return table
