"""Pieces as tokens in memory: transposed, thinned, and laid out for training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from musegen.encoder import Encoder
from musegen.errors import MusegenError, TrainingError
from musegen.score import Track
from musegen.store import Store, ingest, is_store
from musegen.transposing import transposed
from musegen.vocabulary import Tokens

__all__ = ["Dataset", "Piece", "load", "opened", "stream", "thinned"]


@dataclass(frozen=True)
class Piece:
    """One piece of music as tokens.

    Attributes:
        name: Its path, relative to where the folder lies that it was read from.
        tokens: `int32[T]`, from `start` to `end`.
        tracks: The instruments of its parts.
    """

    name: str
    tokens: Tokens
    tracks: tuple[Track, ...]


@dataclass(frozen=True)
class Dataset:
    """Pieces of three splits, and the files that could not be used.

    Attributes:
        train: Pieces to learn from.
        validation: Pieces to choose by: when to stop, which settings.
        test: Pieces to report on, looked at once.
        skipped: (name, reason) of each file that was left out.
    """

    train: list[Piece]
    validation: list[Piece]
    test: list[Piece]
    skipped: list[tuple[str, str]]


def opened(
    sources: Sequence[Path],
    store: Path,
    encoder: Encoder,
    seed: int,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Store:
    """Return the store that is the only source, or one of folders of music.

    Args:
        sources: A token store; or folders, which are encoded.
        store: Where folders are encoded to.
        encoder: Turns files into tokens; what the store must have been made with.
        seed: Seeds the split of folders.
        on_progress: Called with (files done, files in all).

    Raises:
        MusegenError: The store was made with other settings, or stands beside other sources.
    """
    if not any(map(is_store, sources)):
        return ingest(sources, store, encoder, seed=seed, on_progress=on_progress)
    if len(sources) > 1:
        raise MusegenError(
            f"expected one token store, or folders of music. Received: {', '.join(map(str, sources))}. "
            "Encode the folders into one store: musegen encode."
        )
    made = Store(sources[0])
    there, given = made.encoder.config.to_dict(), encoder.config.to_dict()
    changed = [
        f"{name} is {there[name]!r} there and {given[name]!r} here" for name in there if there[name] != given[name]
    ]
    if changed:
        raise MusegenError(
            f"{made.path} was encoded with other settings. Received: {'; '.join(changed)}. Leave the encoder's "
            "options out, or encode the music anew with these."
        )
    return made


def load(store: Store) -> Dataset:
    """Return all pieces of a store.

    Raises:
        TrainingError: There is nothing to train on.
    """
    if len(store) < 3:
        skipped = store.skipped()
        raise TrainingError(
            "at least 3 MIDI files with notes are needed to train, validate and test. "
            f"Received: {len(store)} usable of {len(store) + len(skipped)}. "
            + (f"The first was skipped: {skipped[0][1]}." if skipped else "Try `musegen corpus` for some.")
        )
    train, validation, test = (
        [Piece(store.names[i], store.tokens(i), store.tracks(i)) for i in store.split(part).tolist()]
        for part in ("train", "validation", "test")
    )
    return Dataset(train, validation, test, store.skipped())


def thinned(tokens: Tokens, encoder: Encoder, rng: np.random.Generator) -> Tokens:
    """Return the tokens of a piece with a random choice of its parts, at least one; the others are silent."""
    score = encoder.decode(tokens)
    kept = np.flatnonzero(rng.random(len(score.tracks)) < 0.5)
    if not np.isin(score.notes["track"], kept).any():
        kept = rng.choice(np.unique(score.notes["track"]), 1)
    return encoder.encode(score.select(kept.tolist()))


def stream(
    pieces: list[Piece],
    encoder: Encoder,
    rng: np.random.Generator,
    rows: int,
    transpose: int = 0,
    part_dropout: float = 0.0,
) -> Tokens:
    """Return one epoch of training tokens, `int32[rows, N]`: all pieces shuffled and varied, end to end.

    Each row is contiguous: window k + 1 of a row goes on where window k ended.

    Args:
        pieces: What to learn from.
        encoder: The encoder of their tokens.
        rng: Decides everything.
        rows: How many rows to make.
        transpose: Largest transposition, in semitones.
        part_dropout: Share of pieces that lose some of their parts.
    """
    out = []
    for index in rng.permutation(len(pieces)):
        tokens = pieces[index].tokens
        if part_dropout and rng.random() < part_dropout:
            tokens = thinned(tokens, encoder, rng)
        out.append(transposed(tokens, int(rng.integers(-transpose, transpose + 1)), encoder.vocabulary))
    flat = np.concatenate(out)
    flat = np.roll(flat, -int(rng.integers(len(flat))))  # so that rows and windows begin elsewhere each epoch
    # As many tokens in every epoch, thinned or not: what is missing is filled by starting over.
    whole = sum(len(piece.tokens) for piece in pieces)
    return np.resize(flat, (rows, max(-(-whole // rows), 2)))
