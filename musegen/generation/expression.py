"""Play new notes as the primer is played: its articulation, its accents, its ticks and tracks."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from musegen.encoding.encoder import Encoder
from musegen.encoding.metric import without_overlaps
from musegen.encoding.normalise import close_gaps
from musegen.generation.primer import Reading, bar_ticks
from musegen.score import Score, Table
from musegen.score.midi.channels import channel_keys
from musegen.utils.arrays import Bools, Floats, Ints

__all__ = ["Expression"]

TRACK_BITS = 40  # (track, place in the bar) are packed into one integer; a bar has fewer ticks


def _packed(track: Ints, place: Ints) -> Ints:
    """Pack a track and a tick of the bar into one integer that sorts by both."""
    return (track << TRACK_BITS) + place


def _is_later(primer: Score) -> Bools:
    """Return which tracks are in a later chunk than another of their channel, `bool[tracks]`."""
    first: dict[tuple[int, int], int] = {}
    for track in primer.tracks:
        place = track.port, track.channel
        first[place] = min(track.chunk, first.get(place, track.chunk))
    return np.array([t.chunk > first[t.port, t.channel] for t in primer.tracks], bool)


class Expression:
    """How a primer is played.

    Args:
        reading: What a model reads of the primer.
        encoder: The model's.
    """

    def __init__(self, reading: Reading, encoder: Encoder) -> None:
        """Keep the primer; it is measured when first needed."""
        self._reading = reading
        self._encoder = encoder

    def new_notes(self, decoded: Score, end: int) -> Table:
        """Return the notes that a model added, `NOTE[N]` in the primer's ticks and tracks.

        They have the primer's articulation, and where the encoding has no loudness, the loudness
        that its tracks have at the same place in the bar.

        Args:
            decoded: The decoded tokens of the primer and of what was added.
            end: Tick of the primer where the continuation ends; nothing sounds after it.
        """
        reading, config = self._reading, self._encoder.config
        primer = reading.primer

        # What begins behind the primer is new.
        added = decoded.notes[decoded.notes["onset"] >= reading.steps].copy()
        first = added["onset"].astype(np.int64) - reading.steps
        onset = self._ticks(first, decoded.ticks_per_quarter)
        offset = self._ticks(first + added["duration"], decoded.ticks_per_quarter)

        # The one track of a performance goes to the busiest of those it was made of.
        if config.encoding == "performance":
            busy = [np.sum(primer.notes["track"] == source) for source in reading.sources]
            added["track"] = int(np.argmax(busy))

        # Articulation and loudness.
        added["onset"] = onset
        share = self._articulation[added["track"]]
        added["duration"] = np.maximum(np.round((offset - onset) * share), 1)
        if not config.velocities:
            added["velocity"] = self._loudness(added)

        # The primer's tracks, up to the end.
        added["track"] = np.asarray(reading.sources, np.uint16)[added["track"]]
        added = added[added["onset"] < end]
        added["duration"] = np.minimum(added["duration"], end - added["onset"])
        return self._playable(added)

    def _ticks(self, steps: Ints, steps_per_quarter: int) -> Ints:
        """Convert steps counted from the continuation's start to ticks of the primer."""
        primer, start = self._reading.primer, self._reading.start
        if self._encoder.config.encoding == "performance":
            began = primer.seconds(np.array([start]))
            return np.round(primer.ticks(began + steps / 100)).astype(np.int64)
        per_step = primer.ticks_per_quarter / steps_per_quarter
        return start + np.round(steps * per_step).astype(np.int64)

    @cached_property
    def _articulation(self) -> Floats:
        """The share of its written length that a note sounds, `float64[tracks]`."""
        primer = self._reading.primer
        share = primer.notes["duration"] / close_gaps(primer).notes["duration"]
        track = primer.notes["track"]
        return np.array([np.median(share[track == source]) for source in self._reading.sources])

    def _loudness(self, added: Table) -> Ints:
        """Return velocities: the mean of the track at that place in the bar, or else anywhere."""
        known, mean, usual = self._accents
        start = self._reading.start
        bar = bar_ticks(self._reading.primer, start)
        place = np.round((added["onset"].astype(np.int64) - start) % bar).astype(np.int64)
        wanted = _packed(added["track"].astype(np.int64), place)
        at = np.searchsorted(known, wanted)
        found = np.where(known[at] == wanted, mean[at], usual[added["track"]])
        return np.round(found).astype(np.int64)

    @cached_property
    def _accents(self) -> tuple[Ints, Floats, Floats]:
        """Packed (track, place in the bar), the mean velocity there, and that of each track.

        The means of tracks are over the whole primer: a track may rest in the bars that are read.
        """
        reading = self._reading
        notes, lines = reading.music.notes, reading.music.barlines()
        place = notes["onset"] - lines[np.searchsorted(lines, notes["onset"], side="right") - 1]
        packed = _packed(notes["track"].astype(np.int64), place)
        known, which = np.unique(packed, return_inverse=True)
        mean = np.append(np.bincount(which, notes["velocity"]) / np.bincount(which), 0)
        velocity, track = reading.primer.notes["velocity"], reading.primer.notes["track"]
        usual = np.array([velocity[track == source].mean() for source in reading.sources])
        return np.append(known, np.iinfo(np.int64).max), mean, usual

    def _playable(self, added: Table) -> Table:
        """Keep a pitch from sounding twice on a MIDI channel, the primer's last notes included.

        Two hands on one channel may not hold one key; a note that meets one which the primer still
        holds waits for it. In a player the track chunks of a tick follow one another, so the end of
        a note in a later chunk must come a tick before the beginning of another.
        """
        primer, start = self._reading.primer, self._reading.start
        chunk = np.array([track.chunk for track in primer.tracks])

        # When each key is free again.
        rings = (primer.offsets >= start) & (primer.notes["onset"] < start)
        last = primer.notes[rings]
        held_keys, keys = channel_keys(primer, last), channel_keys(primer, added)
        free = np.zeros(1 + max(held_keys.max(initial=0), keys.max(initial=0)), np.int64)
        np.maximum.at(free, held_keys, primer.offsets[rings] + _is_later(primer)[last["track"]])

        onset = np.maximum(added["onset"], free[keys])
        offset = added["onset"].astype(np.int64) + added["duration"]
        out = added.copy()
        out["onset"] = onset
        out["duration"] = offset - onset
        out = out[offset > onset]

        # In order, and each cut where the next of its pitch begins.
        out = out[np.lexsort((out["pitch"], out["track"], out["onset"]))]
        onset, duration = out["onset"].astype(np.int64), out["duration"].astype(np.int64)
        keys = channel_keys(primer, out)
        stays, duration = without_overlaps(keys, onset, duration)
        order = np.lexsort((onset, keys))
        order = order[stays[order]]
        first, second = order[:-1], order[1:]
        meets = (keys[first] == keys[second]) & (onset[first] + duration[first] == onset[second])
        meets &= chunk[out["track"][first]] > chunk[out["track"][second]]
        duration[first[meets]] = np.maximum(duration[first[meets]] - 1, 1)
        out["duration"] = duration
        return out[stays]
