"""Make batches, run the command, and read the results."""

import json

from click.testing import CliRunner

from musegen.batch import Rank, planned, run
from musegen.cli.batch import batch
from musegen.errors import MusegenError


def rows_of(folder):
    """The rows of a manifest without the time that pieces took, which is all that may differ."""
    rows = [json.loads(text) for text in (folder / "manifest.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "took"} for row in rows]


def files_of(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.mid"))}


def made(
    sources,
    folder,
    line,
    *,
    workers=1,
    size=64,
    keep=None,
    rank=None,
    force=False,
    on_progress=None,
    **options,
):
    options = {"count": 7, "seed": 3, "bars": 2, "checkpoint": line, **options}
    plan = planned(sources, folder, force=force, **options)
    progress = {"on_progress": on_progress} if on_progress else {}
    return run(
        plan,
        workers=workers,
        size=size,
        keep=keep,
        rank=rank and Rank.parse(rank),
        force=force,
        **progress,
    )


def command(*arguments):
    """What `musegen batch` prints and its exit code."""
    outcome = CliRunner().invoke(
        batch, [str(argument) for argument in arguments], catch_exceptions=True
    )
    if isinstance(outcome.exception, MusegenError):  # the group turns it into exit code 1
        return 1, str(outcome.exception), ""
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit), outcome.exception
    return outcome.exit_code, outcome.stdout, outcome.stderr
