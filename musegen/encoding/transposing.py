"""Tokens in another key."""

from __future__ import annotations

import numpy as np

from musegen.encoding.vocabulary import Tokens, Vocabulary

__all__ = ["transposed"]


def transposed(tokens: Tokens, semitones: int, vocabulary: Vocabulary) -> Tokens:
    """Return the tokens moved by `semitones`, or as near to it as keeps every pitch in 0–127."""
    mine = vocabulary.transposable[tokens]
    if not mine.any():
        return tokens
    pitches = vocabulary.values[tokens[mine]]
    semitones = int(np.clip(semitones, -pitches.min(), 127 - pitches.max()))
    out: Tokens = tokens + np.int32(semitones) * mine.astype(np.int32)
    return out
