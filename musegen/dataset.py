"""Folders of MIDI to token pieces: read, told apart, split, transposed, and laid out for training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musegen.encoder import Encoder
from musegen.errors import MusegenError, TrainingError
from musegen.midi import read
from musegen.normalise import pad_pickup
from musegen.score import Score, Track
from musegen.vocabulary import Tokens, Vocabulary

__all__ = ["Dataset", "Piece", "load", "same_tunes", "split", "stream", "thinned", "transposed"]

MIDI_SUFFIXES = {".mid", ".midi"}
SHARED_RUN = 16  # intervals; two pieces with such a run in common count as one tune


@dataclass(frozen=True)
class Piece:
    """One piece of music as tokens.

    Attributes:
        name: Its path, relative to the folder it was read from.
        tokens: `int32[T]`, from `start` to `end`.
        tracks: The instruments of its parts.
        melody: `int16[...]`: intervals between the highest notes, which tell the same tune apart
            from others in whatever key and tempo.
    """

    name: str
    tokens: Tokens
    tracks: tuple[Track, ...]
    melody: NDArray[np.int16]


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


def load(
    folders: list[Path],
    encoder: Encoder,
    seed: int,
    held_out: float = 0.05,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Dataset:
    """Read every MIDI file under `folders` and split the pieces.

    Args:
        folders: Folders, searched to any depth.
        encoder: Turns each file into tokens.
        seed: Seeds the split.
        held_out: Share of the pieces in validation, and again in test.
        on_progress: Called with (files done, files in all).

    Raises:
        TrainingError: There is nothing to train on.
    """
    paths = [(folder, p) for folder in folders for p in sorted(folder.rglob("*")) if p.suffix.lower() in MIDI_SUFFIXES]
    pieces: list[Piece] = []
    skipped: list[tuple[str, str]] = []
    seen: dict[bytes, str] = {}
    for index, (folder, path) in enumerate(paths):
        name = f"{folder.name}/{path.relative_to(folder)}"
        try:
            piece = _piece(name, pad_pickup(read(path)), encoder)
        except MusegenError as error:
            skipped.append((name, str(error)))
        else:
            twin = seen.setdefault(piece.tokens.tobytes(), name)
            if not encoder.vocabulary.notes[piece.tokens].any():
                skipped.append((name, "no notes"))
            elif twin != name:
                skipped.append((name, f"the same notes as {twin}"))
            else:
                pieces.append(piece)
        on_progress(index + 1, len(paths))
    if len(pieces) < 3:
        raise TrainingError(
            f"at least 3 MIDI files with notes are needed to train, validate and test. "
            f"Received: {len(pieces)} usable of {len(paths)} in {', '.join(map(str, folders))}. "
            + (f"The first was skipped: {skipped[0][1]}" if skipped else "Try `musegen corpus` for some.")
        )
    train, validation, test = (
        [pieces[i] for i in part] for part in split(same_tunes([p.melody for p in pieces]), held_out, seed)
    )
    return Dataset(train, validation, test, skipped)


def _piece(name: str, score: Score, encoder: Encoder) -> Piece:
    kept = encoder.quantise(score)
    # The last of the notes that begin together is the highest.
    highest = np.append(np.diff(kept.notes["onset"]) > 0, True)[: len(kept.notes)]
    top = np.sort(kept.notes, order=["onset", "pitch"])[highest]["pitch"].astype(np.int16)
    return Piece(name, encoder.encode(kept), score.tracks, np.diff(top))


def same_tunes(melodies: list[NDArray[np.int16]]) -> NDArray[np.int64]:
    """Return a group number per melody, `int64[N]`: those that share a long run of intervals are one.

    Transposition and tempo make no difference. Runs that only repeat notes do not count.
    """
    parent = list(range(len(melodies)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[bytes, int] = {}
    for index, melody in enumerate(melodies):
        for at in range(len(melody) - SHARED_RUN + 1):
            run = melody[at : at + SHARED_RUN]
            if len(np.unique(run)) > 3:
                parent[root(index)] = root(first.setdefault(run.tobytes(), index))
    return np.array([root(i) for i in range(len(melodies))], np.int64)


def split(groups: NDArray[np.int64], held_out: float, seed: int) -> tuple[list[int], list[int], list[int]]:
    """Return the indices of the train, validation and test pieces; no group is divided.

    Groups are drawn in random order; validation and test are filled first, each up to
    `held_out` of the pieces (at least one), by groups small enough to fit.
    """
    rng = np.random.default_rng(seed)
    wanted = max(1, int(held_out * len(groups)))
    sizes = Counter(groups.tolist())
    order = rng.permutation(list(sizes))
    held: tuple[list[int], list[int]] = ([], [])
    train: list[int] = []
    for group in order:
        members = np.flatnonzero(groups == group).tolist()
        for bucket in held:
            if len(bucket) + len(members) <= wanted:
                bucket.extend(members)
                break
        else:
            train.extend(members)
    if not train or not all(held):
        # A handful of files that are all one tune: an honest split does not exist.
        raise TrainingError(
            f"the pieces must be of at least 3 different tunes to be split. Received: {len(sizes)} different tune(s) "
            f"in {len(groups)} files. Add other music."
        )
    return sorted(train), sorted(held[0]), sorted(held[1])


def transposed(tokens: Tokens, semitones: int, vocabulary: Vocabulary) -> Tokens:
    """Return the tokens moved by `semitones`, or as near to it as keeps every pitch in 0–127."""
    mine = vocabulary.transposable[tokens]
    if not mine.any():
        return tokens
    pitches = vocabulary.values[tokens[mine]]
    semitones = int(np.clip(semitones, -pitches.min(), 127 - pitches.max()))
    out: Tokens = tokens + np.int32(semitones) * mine.astype(np.int32)
    return out


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
