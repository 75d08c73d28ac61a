"""Measure one encoding on one piece."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musegen.encoding.bundle import Bundle, in_force, take
from musegen.encoding.metric import DEFAULT_VELOCITY, supported_meter, to_steps
from musegen.encoding.report.outcomes import Outcomes, Piece, outcomes
from musegen.encoding.report.report import (
    Error,
    Grid,
    Meters,
    Notes,
    Pedal,
    Programs,
    Report,
    Seconds,
    Spread,
    Tempo,
    Tracks,
    Velocity,
)
from musegen.encoding.rows import changes
from musegen.encoding.vocabulary import METERS
from musegen.errors import EncodingError
from musegen.score import TEMPO, columns
from musegen.score.timing import DEFAULT_TEMPO, tempo_map
from musegen.utils.arrays import Floats, Ints

if TYPE_CHECKING:
    from musegen.encoding.encoder import Encoder

__all__ = ["measure"]


def measure(piece: Piece, encoder: Encoder, among: Ints | None = None) -> Report:
    """Return the report of a piece, without suggestions. An unencodable piece has one, too.

    Args:
        piece: The piece.
        encoder: The encoder to measure.
        among: Indices of the notes to measure, in the presence of all; None: all.
    """
    return _Measurement(piece, encoder, among).report()


class _Measurement:
    """One encoding on one piece.

    Attributes:
        quantised: What the encoding keeps; None if it refuses the piece for its length.
        tracks: Indices of the tracks whose notes are not all dropped.
        silenced: Indices of the tracks whose notes are all dropped.
    """

    def __init__(self, piece: Piece, encoder: Encoder, among: Ints | None) -> None:
        self.piece, self.score = piece, piece.score
        self.encoder, self.config = encoder, encoder.config
        self.metric = self.config.encoding == "metric"
        self.error: str | None = None
        self.tokens: int | None = None
        self.quantised = self._encode()
        self.notes = outcomes(piece, self.config, too_long=self.quantised is None)
        if among is not None:
            self.notes = self.notes.among(among)
        track = piece.bundle.notes.track
        self.tracks = np.unique(track[self.notes.eligible])
        self.silenced = np.setdiff1d(track, self.tracks)

    def _encode(self) -> Bundle | None:
        """Return what the encoding keeps; of a piece with too many tracks, without those beyond."""
        bundle = self.piece.bundle
        codec, vocabulary = self.encoder.codec, self.encoder.vocabulary
        try:
            quantised = codec.quantise(bundle, vocabulary)
            self.tokens = len(codec.encode(quantised, vocabulary)[0])
            return quantised
        except EncodingError as error:
            self.error = str(error)
        within = bundle.tracks.number[bundle.notes.track] < self.config.parts
        try:
            return codec.quantise(bundle._replace(notes=take(bundle.notes, within)), vocabulary)
        except EncodingError:
            return None

    def report(self) -> Report:
        piece, config = self.piece, self.config
        notes, table = self.notes, self.piece.bundle.tracks
        program, drum = table.program[self.tracks], table.drum[self.tracks]
        separate = len(self.tracks) if self.metric else min(len(self.tracks), 1)
        onset, duration, on_grid = self._timing()
        return Report(
            config=config,
            vocabulary=len(self.encoder.vocabulary),
            tokens=self.tokens,
            error=self.error,
            notes=_notes(piece, notes),
            on_grid=on_grid,
            onset=onset,
            duration=duration,
            velocity=self._velocity(),
            tempo=self._tempo(),
            seconds=self._seconds(),
            meters=self._meters(),
            tracks=Tracks(len(self.tracks) + len(self.silenced), len(self.silenced), separate),
            programs=Programs(
                lost=int((program[~drum] != 0).sum()) * (not (self.metric and config.programs)),
                drum_kits=int((program[drum] != 0).sum()),
                dropped=int((table.program[self.silenced] != 0).sum()),
            ),
            pedal=Pedal(
                presses=len(self.score.pedals),
                applied=not self.metric and config.sustain,
                notes_held=int((piece.silent > piece.released)[notes.eligible].sum()),
            ),
            not_carried=piece.not_carried,
            counted=piece.counted,
        )

    def _timing(self) -> tuple[Error, Error, Grid]:
        """Return the errors of onsets and durations, and the shares of onsets and ends without."""
        piece, config = self.piece, self.config
        notes = self.notes
        begins, ends = piece.bundle.notes.onset[notes.kept], notes.silent
        stop = notes.onset + notes.duration
        onset = piece.ticks_of(config, notes.onset) - begins
        end = piece.ticks_of(config, stop) - ends
        onset_ms = 1000 * (piece.seconds_of(config, notes.onset) - self.score.seconds(begins))
        end_ms = 1000 * (piece.seconds_of(config, stop) - self.score.seconds(ends))
        uncut = piece.ticks_of(config, notes.onset + notes.wanted) - ends
        return (
            Error(Spread.of(onset), Spread.of(onset_ms)),
            Error(Spread.of(end - onset), Spread.of(end_ms - onset_ms)),
            Grid(_share_of_zeros(onset), _share_of_zeros(uncut)),
        )

    def _velocity(self) -> Velocity:
        carried = self.config.velocities > 0
        velocity = self.piece.bundle.notes.velocity[self.notes.kept]
        kept = self.encoder.vocabulary.kept_velocities[velocity] if carried else DEFAULT_VELOCITY
        return Velocity(carried, Spread.of(kept - velocity))

    def _tempo(self) -> Tempo:
        """Compare each tempo of the file with the tempo of the encoding there."""
        _, tick, microseconds = in_force(self.piece.bundle.tempos, (DEFAULT_TEMPO,), 1)
        before_end = (tick < self.score.end) | (tick == 0)
        tick, microseconds = tick[before_end], microseconds[before_end]
        new = changes(microseconds)
        tick, microseconds = tick[new], microseconds[new]
        if not self.metric or self.quantised is None:
            return Tempo(False, len(tick), 0, None)
        kept = in_force(self.quantised.tempos, (DEFAULT_TEMPO,), 1)
        step = to_steps(tick, self.score.ticks_per_quarter, self.config.steps_per_quarter)
        there = kept.microseconds[np.searchsorted(kept.tick, step, side="right") - 1]
        carried = self.config.tempos > 0
        # Without tempos all music is at 120 bpm: that is kept, if the file has nothing else.
        same = len(kept.tick) if carried else int((there == microseconds).all())
        error = Spread.of(6e7 / there - 6e7 / microseconds)
        return Tempo(carried, len(tick), min(same, len(tick)), error)

    def _seconds(self) -> Seconds:
        if self.quantised is None or not len(self.notes.kept):
            return Seconds(0.0, 0.0)
        in_file = self.score.seconds(self.notes.silent.max(keepdims=True))[0]
        step = (self.notes.onset + self.notes.duration).max(keepdims=True)
        if self.metric:
            _, tick, microseconds = self.quantised.tempos
            tempos = columns(TEMPO, tick=tick, microseconds=microseconds)
            kept = tempo_map(tempos, self.config.steps_per_quarter).seconds(step)[0]
        else:
            kept = self.piece.seconds_of(self.config, step)[0]
        return Seconds(round(float(in_file), 6), round(float(kept), 6))

    def _meters(self) -> Meters:
        """Return which time signatures before the end have no token, and which cut a bar short."""
        rows = self.score.with_default_meter()
        rows = rows[(rows["tick"] < self.score.end) | (rows["tick"] == 0)]
        if not self.metric:
            return Meters(False, len(rows), (), 0)
        names = ("tick", "numerator", "denominator")
        tick, numerator, denominator = (rows[name].astype(np.int64) for name in names)
        bar = 4 * self.score.ticks_per_quarter * numerator
        meters = list(zip(numerator.tolist(), denominator.tolist(), strict=True))
        kept = [METERS[supported_meter(*meter)] for meter in meters]
        return Meters(
            carried=True,
            in_file=len(rows),
            approximated=tuple(
                {"from": "{}/{}".format(*meter), "to": "{}/{}".format(*other)}
                for meter, other in zip(meters, kept, strict=True)
                if meter != other
            ),
            cut_short=int((np.diff(tick) * denominator[:-1] % bar[:-1] != 0).sum()),
        )


def _notes(piece: Piece, notes: Outcomes) -> Notes:
    return Notes(
        in_file=len(piece.score),
        kept=len(notes.kept),
        dropped=notes.dropped,
        merged=notes.merged,
        doubled=notes.doubled,
        clipped=int((notes.duration < np.maximum(notes.wanted, 1)).sum()),
        lengthened=int((notes.wanted < 1).sum()),
    )


def _share_of_zeros(errors: Floats) -> float:
    return round(float((np.abs(errors) < 1e-6).mean()), 6) if len(errors) else 1.0
