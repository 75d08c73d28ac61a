"""Convert quantised pieces to tokens."""

from __future__ import annotations

import numpy as np

from musegen.encoding.bundle import Bundle
from musegen.encoding.metric.layout import Slot, lay_out
from musegen.encoding.metric.meters import bars, stops
from musegen.encoding.rows import changes, moments
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.utils.arrays import Ints

__all__ = ["encode"]


def encode(bundle: Bundle, vocabulary: Vocabulary) -> tuple[Tokens, Ints]:
    """Return the tokens of quantised pieces end to end, each from `start` to `end`.

    Returns:
        `int32[T]`, and the index of each piece's first token, `int64[pieces]`.
    """
    first = vocabulary.first
    notes, tempos = bundle.notes, bundle.tempos
    note_at, tempo_at = moments(notes.piece, notes.onset), moments(tempos.piece, tempos.tick)
    bar_at, meter_at, meter = bars(bundle, vocabulary)

    # The tokens between the notes: (moments, tokens) of each kind, in their order within a step.
    pieces = np.arange(len(bundle.end))
    kinds: list[tuple[Ints, Ints | int]] = [
        (moments(pieces, 0 * pieces), first["start"]),
        (bar_at, first["bar"]),
        (meter_at, meter + first["time_signature"]),
        (moments(pieces, bundle.end), first["end"]),
    ]
    if len(tempo_at):
        tempo_bar = bar_at[bar_at.searchsorted(tempo_at, side="right") - 1]
        tempo = vocabulary.tempo_bins(tempos.microseconds) + first["tempo"]
        kinds[3:3] = [(tempo_at, tempo_at - tempo_bar + first["position"]), (tempo_at, tempo)]
    at = np.concatenate([when for when, _ in kinds])
    between = np.empty(len(at), np.int64)
    stop = 0
    for when, token in kinds:
        start, stop = stop, stop + len(when)
        between[start:stop] = token
    order = at.argsort(kind="stable")

    slots = _note_slots(bundle, vocabulary, note_at, bar_at, tempo_at)
    tokens = lay_out(slots, note_at.searchsorted(at[order]), between[order])
    return tokens, (tokens == first["start"]).nonzero()[0]


def _note_slots(
    bundle: Bundle, vocabulary: Vocabulary, note_at: Ints, bar_at: Ints, tempo_at: Ints
) -> list[Slot]:
    """Return the slots of a note: `[position] [part] [program] pitch [velocity] hold* duration`."""
    first = vocabulary.first
    notes, tracks = bundle.notes, bundle.tracks
    n, longest = len(note_at), vocabulary.blocks["duration"]
    new_step, new_part = changes(note_at), changes(notes.track)

    # A position comes before a tempo, and not again before a note on the same step.
    if len(tempo_at) and n:
        next_note = np.minimum(note_at.searchsorted(tempo_at), n - 1)
        new_step[next_note[note_at[next_note] == tempo_at]] = False
    first_in_bar = note_at.searchsorted(bar_at)
    no_bar_is_final, after_all = np.zeros(len(bar_at), bool), np.full(len(bar_at), n)
    notes_in_bar = stops(first_in_bar, no_bar_is_final, after_all) - first_in_bar
    slots: list[Slot] = [(new_step, note_at - (bar_at - first["position"]).repeat(notes_in_bar))]

    if "part" in first:
        slots.append((new_part, (tracks.number + first["part"])[notes.track]))
    if "program" in first:
        # At the first note of each track: the last assignment to a track stays.
        entries = new_part.nonzero()[0][::-1]
        debut = np.full(len(tracks.piece), n)
        debut[notes.track[entries]] = entries
        declares = np.zeros(n + 1, bool)
        declares[debut[~tracks.drum]] = True
        slots.append((declares[:n], (tracks.program + first["program"])[notes.track]))
    pitched = np.where(tracks.drum, first.get("drum", 0), first["pitch"])
    slots.append((None, pitched[notes.track] + notes.pitch))
    if "velocity" in first:
        slots.append((None, vocabulary.velocity_bins(notes.velocity) + first["velocity"]))
    rest = notes.duration - 1
    if (rest >= longest).any():
        holds = rest // longest
        slots.append((holds, np.full(n, first["hold"])))
        rest -= holds * longest
    slots.append((None, rest + first["duration"]))
    return slots
