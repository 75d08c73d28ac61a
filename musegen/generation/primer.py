"""A primer as a model hears it, and the way back: from what the model adds to notes for the file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from musegen.config import EncoderConfig
from musegen.encoding.encoder import Encoder
from musegen.encoding.metric import without_overlaps
from musegen.encoding.normalise import close_gaps, pad_pickup
from musegen.encoding.vocabulary import Tokens
from musegen.errors import EncodingError, MidiError
from musegen.score import Score, Table

__all__ = [
    "Reading",
    "bar_ticks",
    "continuation_start",
    "meter_at",
    "pick",
    "read_primer",
    "track_name",
]

LONGEST_CONTEXT = 4096  # tokens; of a longer primer the model hears the last bars
PLACE = 40  # bits; more than the ticks of a bar
RECENT_BARS = 8  # a track that rests for longer is the first to be left out


@dataclass(frozen=True)
class Reading:
    """What a model reads of a primer.

    Attributes:
        primer: The whole primer.
        start: Tick of the primer where the continuation begins: a barline.
        heard: The tracks that are read, up to `start`, pickup filled up, gaps closed.
        tokens: `int32[T]`: the encoding of `heard`, from `start` to `end`.
        steps: Length of `heard` on the encoding's grid.
        sources: For each track of `heard`, the track of the primer that its continuation goes to.
        left_out: (name, reason) of the tracks that are not read.
    """

    primer: Score
    start: int
    heard: Score
    tokens: Tokens
    steps: int
    sources: tuple[int, ...]
    left_out: tuple[tuple[str, str], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tracks that are read."""
        return tuple(track_name(self.primer, i) for i in self.sources)

    def add(self, decoded: Score, encoder: Encoder, end: int) -> Table:
        """Return the notes that a model added, as `NOTE[N]` in the primer's ticks and tracks.

        They keep the primer's touch: its articulation, and where the encoding has no loudness, the
        loudness that its tracks have at the same place in the bar.

        Args:
            decoded: What the encoder decodes from `tokens` and what was added to them.
            encoder: The encoder.
            end: Tick of the primer where the continuation ends; nothing sounds after it.
        """
        added = decoded.notes[decoded.notes["onset"] >= self.steps].copy()
        first = added["onset"].astype(np.int64) - self.steps
        onset, offset = (
            self._ticks(edge, decoded.ticks_per_quarter, encoder)
            for edge in (first, first + added["duration"])
        )
        if (
            encoder.config.encoding == "performance"
        ):  # its one track goes to the busiest of those it was made of
            added["track"] = int(
                np.argmax([np.sum(self.primer.notes["track"] == s) for s in self.sources])
            )
        added["onset"] = onset
        added["duration"] = np.maximum(
            np.round((offset - onset) * self._articulation[added["track"]]), 1
        )
        if not encoder.config.velocities:
            added["velocity"] = self._loudness(added)
        added["track"] = np.asarray(self.sources, np.uint16)[added["track"]]
        added = added[added["onset"] < end]
        added["duration"] = np.minimum(added["duration"], end - added["onset"])
        return self._playable(added)

    def _ticks(
        self, steps: NDArray[np.int64], steps_per_quarter: int, encoder: Encoder
    ) -> NDArray[np.int64]:
        """Return the primer's ticks of steps counted from the continuation's start."""
        if encoder.config.encoding == "performance":
            began = self.primer.seconds(np.array([self.start]))
            return np.round(self.primer.ticks(began + steps / 100)).astype(np.int64)
        return self.start + np.round(
            steps * (self.primer.ticks_per_quarter / steps_per_quarter)
        ).astype(np.int64)

    @cached_property
    def _articulation(self) -> NDArray[np.float64]:
        """Per heard track, the share of its written length that a note sounds."""
        share = self.primer.notes["duration"] / close_gaps(self.primer).notes["duration"]
        return np.array(
            [np.median(share[self.primer.notes["track"] == source]) for source in self.sources]
        )

    def _loudness(self, added: Table) -> NDArray[np.int64]:
        """Return velocities: the mean of what the track plays at that place in the bar, or else anywhere."""
        known, mean, usual = self._accents
        place = np.round(
            (added["onset"].astype(np.int64) - self.start) % bar_ticks(self.primer, self.start)
        )
        wanted = place.astype(np.int64) + (added["track"].astype(np.int64) << PLACE)
        at = np.searchsorted(known, wanted)
        found = np.where(known[at] == wanted, mean[at], usual[added["track"]])
        out: NDArray[np.int64] = np.round(found).astype(np.int64)
        return out

    @cached_property
    def _accents(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Tracks and places in the bar where something was heard, its mean velocity; and that of each track.

        The latter of the whole primer: a track may be silent in the part of it that is heard.
        """
        notes, lines = self.heard.notes, self.heard.barlines()
        place = notes["onset"] - lines[np.searchsorted(lines, notes["onset"], side="right") - 1]
        known, which = np.unique(
            place + (notes["track"].astype(np.int64) << PLACE), return_inverse=True
        )
        mean = np.append(np.bincount(which, notes["velocity"]) / np.bincount(which), 0)
        velocity, track = self.primer.notes["velocity"], self.primer.notes["track"]
        usual = np.array([velocity[track == source].mean() for source in self.sources])
        return np.append(known, np.iinfo(np.int64).max), mean, usual

    def _playable(self, added: Table) -> Table:
        """Return the notes such that no pitch of a MIDI channel sounds twice, the primer's last included.

        Two hands on one channel may not hold one key; a note that meets one which the primer still
        holds waits for it.
        """
        channels = np.array(
            [t.channel if t.channel >= 0 else 16 + i for i, t in enumerate(self.primer.tracks)]
        )
        rings = (self.primer.offsets > self.start) & (self.primer.notes["onset"] < self.start)
        late = self.primer.notes[rings]
        free = np.zeros((16 + len(channels), 128), np.int64)
        np.maximum.at(free, (channels[late["track"]], late["pitch"]), self.primer.offsets[rings])
        onset = np.maximum(added["onset"], free[channels[added["track"]], added["pitch"]])
        offset = added["onset"].astype(np.int64) + added["duration"]
        out: Table = added.copy()
        out["onset"], out["duration"] = onset, offset - onset
        out = out[offset > onset]
        out = out[np.lexsort((out["pitch"], out["track"], out["onset"]))]
        onset, duration = out["onset"].astype(np.int64), out["duration"].astype(np.int64)
        stays, out["duration"] = without_overlaps(
            channels[out["track"]] * 128 + out["pitch"], onset, duration
        )
        out = out[stays]
        return out


def read_primer(primer: Score, encoder: Encoder, bars: int = 0) -> Reading:
    """Return what the model of `encoder` reads of a primer (of `merge_programs`, if it is from a file).

    Args:
        primer: The music.
        encoder: The model's.
        bars: How many of its last bars are read; 0 for as many as a model can use.

    Raises:
        MidiError: The primer has no notes.
        EncodingError: None of its tracks can be carried.
    """
    if not len(primer):
        raise MidiError(
            "the primer has no notes to continue. Give a file with notes, or compose from nothing: --new."
        )
    start = continuation_start(primer)
    picked, left_out = pick(primer, encoder.config)
    chosen = close_gaps(primer.select(picked))
    heard = pad_pickup(chosen)
    moved = int(heard.notes["onset"][0]) - int(chosen.notes["onset"][0])
    notes = heard.notes[heard.notes["onset"] < start + moved].copy()
    notes["duration"] = np.minimum(notes["duration"], start + moved - notes["onset"])
    heard = replace(heard, notes=notes, end=0)
    heard = replace(heard, end=start + moved)
    if 0 < bars < len(heard.barlines()) - 1:
        heard = heard[-bars:]
    tokens = encoder.encode(heard)
    while len(tokens) > LONGEST_CONTEXT and len(heard.barlines()) > 2:
        lines = len(heard.barlines()) - 1
        heard = heard[
            lines - max(1, lines * LONGEST_CONTEXT // (len(tokens) + LONGEST_CONTEXT // 8)) :
        ]
        tokens = encoder.encode(heard)
    return Reading(
        primer, start, heard, tokens, encoder.decode(tokens).end, tuple(picked), left_out
    )


def continuation_start(primer: Score) -> int:
    """Return the first barline at or after the end of the primer.

    A last note let go less than a thirty-second too late does not cost a bar of silence.
    """
    last_off = int(primer.offsets.max())
    late = primer.ticks_per_quarter // 8
    end = (
        primer.end
        if primer.end > last_off
        else max(last_off - late, int(primer.notes["onset"].max()) + 1)
    )
    lines = primer.barlines()
    return int(lines[np.searchsorted(lines, end)])


def meter_at(score: Score, tick: int) -> tuple[int, int]:
    """Return numerator and denominator of the meter in force at a tick."""
    meters = score.with_default_meter()
    row = meters[meters["tick"] <= tick][-1]
    return int(row["numerator"]), int(row["denominator"])


def bar_ticks(score: Score, tick: int) -> float:
    """Return the length of a bar in the meter in force at a tick."""
    numerator, denominator = meter_at(score, tick)
    return 4 * score.ticks_per_quarter * numerator / denominator


def pick(score: Score, config: EncoderConfig) -> tuple[list[int], tuple[tuple[str, str], ...]]:
    """Return the tracks that the encoding can carry, and (name, reason) for the others."""
    drums = config.encoding == "metric" and config.drums
    parts = config.parts if config.encoding == "metric" else len(score.tracks)
    recent = score.barlines()[max(-RECENT_BARS - 1, -len(score.barlines()))]
    counts = np.bincount(score.notes["track"], minlength=len(score.tracks))
    playing = (
        np.bincount(score.notes["track"][score.offsets > recent], minlength=len(score.tracks)) > 0
    )
    able = [i for i, track in enumerate(score.tracks) if counts[i] and (drums or not track.is_drum)]
    ranked = sorted(able, key=lambda i: (-int(playing[i]), -counts[i], i))
    picked = sorted(ranked[:parts])
    left_out = [
        (
            track_name(score, i),
            f"the model has {parts} part(s)" if i in able else "the model knows no drums",
        )
        for i, track in enumerate(score.tracks)
        if counts[i] and i not in picked
    ]
    if not picked:
        raise EncodingError(
            "the model knows no drums, and the primer has nothing else: "
            f"{', '.join(name for name, _ in left_out)}. Add a pitched track, or use another checkpoint."
        )
    return picked, tuple(left_out)


def track_name(score: Score, index: int) -> str:
    """Return what to call a track in a message."""
    track = score.tracks[index]
    return track.name.strip() or ("drums" if track.is_drum else f"track {index + 1}")
