"""Choose a model, and compose from music in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from musegen.errors import CheckpointError, EncodingError, MusegenError
from musegen.generation.accompaniment.part_assignment import ensemble_for
from musegen.generation.composer import Composer, load
from musegen.model import checkpoint as checkpoints
from musegen.score import Score, midi
from musegen.score.reading import read_parts

__all__ = ["UNREAD_NATS", "choose", "compose", "infill", "pick"]

DEFAULT_FOR_NEW = "folk"
UNREAD_NATS = float(np.log(128 * 48))
"""Cost of a note that a model cannot read: any of 128 pitches, at any of the 48 steps of 4/4."""


def choose(
    primer: Score, fills: bool = False, inject: bool = False
) -> tuple[Composer, dict[str, float]]:
    """Choose the model that finds a primer likeliest.

    Every note of the primer counts: one that a model cannot read (it has too few parts, or no
    drums) costs what it would without any model, `UNREAD_NATS`.

    Args:
        primer: The music, with one track per instrument.
        fills: Choose among models that fill gaps, not among those that continue music.
        inject: Choose among models that have parts left to accompany the primer.

    Returns:
        The composer, which remembers the primer's tokens, and nats per note of the primer under
        each model.

    Raises:
        MusegenError: No model can read the primer; the message is that of the one with the most
            parts.
    """
    able = [c for c in map(load, checkpoints.available().values()) if c.checkpoint.fills == fills]
    able.sort(key=lambda composer: -composer.encoder.config.parts)
    if not able:
        kind, how = ("that fills gaps ", "train --future 128") if fills else ("", "train")
        raise CheckpointError(
            f"no checkpoint {kind}is installed. Make one with `musegen {how}`, or set "
            "MUSEGEN_CHECKPOINTS."
        )
    composers: dict[str, Composer] = {}
    nats: dict[str, float] = {}
    failure: MusegenError | None = None
    for composer in able:
        name = composer.checkpoint.name
        try:
            reading = composer.encoded(primer).reading
            if inject:
                ensemble_for(primer, composer.model)
        except (EncodingError, CheckpointError) as error:
            failure = failure or error
        else:
            composers[name] = composer
            share = float(np.isin(primer.notes["track"], reading.sources).mean())
            nats[name] = share * composer.nats_per_note(primer) + (1 - share) * UNREAD_NATS
    if failure and not nats:
        raise failure
    return composers[min(nats, key=lambda name: (nats[name], name))], nats


def compose(
    primer: midi.MidiSource | None = None, *, checkpoint: str | Path = "auto", **options: Any
) -> Score:
    """Return `primer` with its continuation, or a new piece if there is no primer.

    >>> import musegen
    >>> len(musegen.compose(bars=2, seed=7).barlines())  # a new piece: three barlines, two bars
    3

    Args:
        primer: Anything that `musegen.read` takes.
        checkpoint: A name, a path, or `auto` for the one that knows the primer best.
        **options: As for `Composer.composition`.
    """
    piece = None if primer is None else read_parts(primer)
    return pick(checkpoint, piece, inject=options.get("inject", False))[0].compose(piece, **options)


def infill(
    primer: midi.MidiSource,
    bars: int | tuple[int, int],
    *,
    checkpoint: str | Path = "auto",
    **options: Any,
) -> Score:
    """Return `primer` with new music in some of its bars, conditioned on the bars around them.

    >>> import musegen
    >>> from musegen import Score, Track
    >>> notes = [(480 * i, 480, 62 + i % 5, 80, 0) for i in range(16)]
    >>> tune = Score(notes=notes, tracks=[Track("Fiddle", 40)])
    >>> filled = musegen.infill(tune, (2, 3), seed=1)
    >>> bool((filled[:1].notes == tune[:1].notes).all())
    True

    Args:
        primer: Anything that `musegen.read` takes.
        bars: The first and the last to fill, or the only one, counted from 1 as musicians do; a
            pickup is bar 0.
        checkpoint: A name, a path, or `auto` for the one, of those that fill gaps, that knows the
            primer best.
        **options: As for `Composer.infilling`.
    """
    piece = read_parts(primer)
    both = (bars, bars) if isinstance(bars, int) else bars
    return pick(checkpoint, piece, fills=True)[0].infilling(piece, both, **options).score


def pick(
    checkpoint: str | Path, primer: Score | None, fills: bool = False, inject: bool = False
) -> tuple[Composer, dict[str, float]]:
    """Load a checkpoint, or choose one if it is `auto`; also nats per note under each candidate."""
    if str(checkpoint) != "auto":
        return load(checkpoint), {}
    return choose(primer, fills, inject) if primer is not None else (load(DEFAULT_FOR_NEW), {})
