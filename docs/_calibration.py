"""Checks units and data with simple models, whose figures others have published.

The frames take the same path as in the tables: frames to MIDI, MIDI to tokens, and here tokens to
frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musegen.data.pianoroll import Chords, Kind, Voices, to_frames, trimmed
from musegen.data.store import Store

__all__ = ["calibrated"]

PIANO = slice(21, 109)  # the 88 keys of the sets of 2012
PITCHES = 47  # 36 to 81, and silence: those of the chorales on sixteenths
VOICES = 4

Rolls = list[NDArray[np.bool_]]


def calibrated(runs: Path) -> list[dict[str, str | float]]:
    """Return the figures: data set, part, model, nats in the data set's unit."""
    return [
        {"set": name, "part": part, "model": model, "nats": round(nats, 3)}
        for name, of in (("jsb16", _cells), ("jsb4", _frames), ("nottingham", _frames))
        if (runs / f"{name}-store").exists()
        for part, model, nats in of(Store(runs / f"{name}-store"))
    ]


def _pieces(store: Store, part: str, kind: Kind, quarters: Fraction) -> list[NDArray[np.generic]]:
    decoded = (store.encoder.decode(store.tokens(piece)) for piece in store.split(part).tolist())
    return [trimmed(to_frames(score, quarters, kind)) for score in decoded]


def _cells(store: Store) -> Iterator[tuple[str, str, float]]:
    """Yield nats per cell of a unigram and a bigram of each voice, with add-one counts."""
    train, *others = (
        [
            np.asarray(piece, np.int64) + 1
            for piece in _pieces(store, part, Voices(VOICES), Fraction(1, 4))
        ]
        for part in ("train", "validation", "test")
    )
    for part, pieces in zip(("validation", "test"), others, strict=True):
        nats = np.zeros(2)
        for voice in range(VOICES):
            pairs = np.zeros((130, 129))  # before the first cell there is a 129
            for piece in train:
                np.add.at(pairs, (np.append(129, piece[:-1, voice]), piece[:, voice]), 1)
            for index, counts in enumerate((np.broadcast_to(pairs.sum(0), pairs.shape), pairs)):
                table = -np.log((counts + 1) / (counts.sum(1, keepdims=True) + PITCHES))
                nats[index] += sum(
                    table[np.append(129, p[:-1, voice]), p[:, voice]].sum() for p in pieces
                )
        cells = VOICES * sum(map(len, pieces))
        yield from (
            (part, model, float(value) / cells)
            for model, value in zip(("unigram", "bigram"), nats, strict=True)
        )


def _frames(store: Store) -> Iterator[tuple[str, str, float]]:
    """Yield nats per frame of Bernoulli models of each pitch, without and with the last frame."""
    train, test = (
        [np.asarray(piece, bool)[:, PIANO] for piece in _pieces(store, part, Chords(), Fraction(1))]
        for part in ("train", "test")
    )
    struck, frames = np.concatenate(train), np.concatenate(test)
    chance = (struck.sum(0) + 1) / (len(struck) + 2)
    yield "test", "each pitch by itself", _bernoulli(frames, chance) / len(frames)
    again = np.zeros((2, 2, frames.shape[1]))  # [sounded before, sounds, pitch]
    for piece in train:
        for before in (0, 1):
            for now in (0, 1):
                again[before, now] += ((piece[:-1] == before) & (piece[1:] == now)).sum(0)
    likely = (again[:, 1] + 1) / (again.sum(1) + 2)
    follow = [(piece[1:], np.where(piece[:-1], likely[1], likely[0])) for piece in test]
    nats = sum(_bernoulli(piece, chances) for piece, chances in follow)
    yield "test", "each pitch by its last frame", nats / sum(len(piece) for piece, _ in follow)


def _bernoulli(frames: NDArray[np.bool_], chance: NDArray[np.float64]) -> float:
    return -float(np.where(frames, np.log(chance), np.log1p(-chance)).sum())
