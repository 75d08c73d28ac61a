"""From what is asked to a plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from secrets import randbelow
from typing import Any

from musegen._version import __version__
from musegen.batch import folder as keeping
from musegen.batch.plan import Plan, Primer
from musegen.batch.primers import (
    AUTO,
    called,
    located,
    sha256_of,
    shown,
    survey,
    walked,
    weights_sha256,
)
from musegen.batch.sweeping import Sweep, grid_size
from musegen.config import require
from musegen.errors import CheckpointError, ConfigError
from musegen.generation.compose import pick
from musegen.generation.constraints import check
from musegen.generation.request import SEEDS, Request
from musegen.score import Score

__all__ = ["planned"]


def planned(
    sources: Iterable[str | Path],
    output_dir: str | Path,
    *,
    count: int | None = None,
    per_primer: int | None = None,
    sweep: Sweep | None = None,
    seed: int | None = None,
    checkpoint: str | Path = AUTO,
    only_continuation: bool = False,
    workers: int = 1,
    force: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    **options: Any,
) -> Plan:
    """Return the plan of a batch. Nothing is written.

    Args:
        sources: Primers: files, folders, patterns; none for new pieces.
        output_dir: Where it is to be made. If that has a batch already, its seed is taken unless
            there is one here, and what it found out about primers that are still the same.
        count: Of pieces, over all primers in turn.
        per_primer: Pieces of each primer, in place of `count`. With neither, each primer gets one
            piece, or one for each point of the grid of sweeps.
        sweep: Values of options, as from `parse_sweeps`; the points of their grid are taken in
            turn.
        seed: That the seeds of the pieces are derived from, at least 0; None draws one.
        checkpoint: A name, a path, or `auto` for the one that knows each primer best.
        only_continuation: Leave the primers out of the files.
        workers: Processes that find out about primers.
        force: Pay no heed to the batch that is there.
        on_progress: Called with (primers done, primers in all).
        **options: As for `Composer.composition`.

    Raises:
        ConfigError: An option, or a value of a sweep, is out of range or unknown.
        MusegenError: There are no primers where some were named, the checkpoint is missing, or the
            batch that is there is damaged.
    """
    folder = Path(output_dir).resolve()
    require(
        count is None or per_primer is None,
        "either count or per_primer must be given",
        (count, per_primer),
        "Leave one out.",
    )
    for name, value in (("count", count), ("per_primer", per_primer), ("workers", workers)):
        require(value is None or value >= 1, f"{name} must be >= 1", value, "Use 1 or more.")
    require(
        seed is None or seed >= 0, "seed must be >= 0", seed, "Use 0 or any larger whole number."
    )
    sources, sweep = list(sources), dict(sweep or {})
    options = _checked(options, sweep, Score() if sources else None)
    kept = None if force else keeping.read(folder)
    asked = AUTO if str(checkpoint) == AUTO else called(_continuing(checkpoint), folder)
    inject = bool(options.get("inject"))
    known = (
        kept
        if kept and (kept.asked, kept.options.get("inject", False)) == (asked, inject)
        else None
    )
    found = walked(sources, folder)
    primers = (
        _primers(found, folder, asked, inject, known, workers, on_progress)
        if sources
        else _new(asked, folder)
    )
    used = sorted({primer.checkpoint for primer in primers} - {""})
    if seed is None:
        seed = kept.seed if kept else randbelow(SEEDS)
    pieces = count or (per_primer or grid_size(sweep)) * len(primers)
    require(
        pieces <= SEEDS,
        f"a batch must have at most {SEEDS} pieces",
        pieces,
        "Make several batches.",
    )
    hashes = {name: weights_sha256(located(name, folder)) for name in used}
    return Plan(
        folder, primers, pieces, seed, options, sweep, asked, hashes, only_continuation, __version__
    )


def _checked(options: Mapping[str, Any], sweep: Sweep, primer: Score | None) -> dict[str, Any]:
    """Return all options by name, with defaults, after trying every value."""
    try:
        for name, values in sweep.items():
            for value in values:
                check(Request.of(primer, {**options, name: value}).constraints)
        request = Request.of(primer, options)
        check(request.constraints)
        out = request.to_dict()
    except TypeError as error:
        raise ConfigError(f"options must be those of musegen compose: {error}.") from error
    return {name: value for name, value in out.items() if name != "seed"}


def _continuing(checkpoint: str | Path) -> Path:
    """Return the directory of a checkpoint that continues music."""
    found = pick(checkpoint, None)[0].checkpoint
    if found.fills:
        raise CheckpointError(
            f"a model that continues music was expected. Received: {found.name}, which fills gaps. "
            "Use another checkpoint."
        )
    return found.path


def _new(asked: str, folder: Path) -> tuple[Primer]:
    """Return what stands for the primer of new pieces."""
    return (Primer(None, None, called(_continuing(AUTO), folder) if asked == AUTO else asked),)


def _primers(
    paths: list[str],
    folder: Path,
    asked: str,
    inject: bool,
    known: Plan | None,
    workers: int,
    on_progress: Callable[[int, int], None],
) -> tuple[Primer, ...]:
    """Return the primers; those that an earlier run knows, and that are the same, as it has them."""
    found: dict[str, Primer] = {}
    if known:
        same = {
            name for name, sha256 in known.checkpoints.items() if _is_there(name, sha256, folder)
        }
        before = {primer.path: primer for primer in known.primers if primer.checkpoint in same}
        for path in paths:
            primer = before.get(shown(path, folder))
            if primer and primer.sha256 == sha256_of(path):
                found[path] = primer
    new = [path for path in paths if path not in found]
    directory = asked if asked == AUTO else str(located(asked, folder))
    for path, (sha256, checkpoint, problem) in survey(new, directory, workers, on_progress, inject):
        name = called(checkpoint, folder) if checkpoint else ""
        found[path] = Primer(shown(path, folder), sha256, name, problem)
    return tuple(found[path] for path in paths)


def _is_there(name: str, sha256: str, folder: Path) -> bool:
    try:
        return weights_sha256(located(name, folder)) == sha256
    except CheckpointError:
        return False
