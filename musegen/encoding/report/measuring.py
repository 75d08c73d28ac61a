"""One encoding measured on one piece."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musegen.config import EncoderConfig
from musegen.encoding.bundle import Bundle, Column, changes, take
from musegen.encoding.metric import DEFAULT_VELOCITY, supported_meter, to_steps
from musegen.encoding.report.outcomes import Fates, fates, to_seconds, to_ticks
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
from musegen.encoding.report.subject import Piece
from musegen.encoding.vocabulary import METERS, Vocabulary
from musegen.errors import EncodingError
from musegen.score import TEMPO, Table, columns
from musegen.score.timing import DEFAULT_TEMPO, in_force, tempo_map

if TYPE_CHECKING:
    from musegen.encoding.encoder import Encoder

__all__ = ["measure"]


def measure(subject: Piece, encoder: Encoder, among: Column | None = None) -> Report:
    """Return the report of a piece, without suggestions. Never raises for what the encoding refuses.

    Args:
        subject: The piece.
        encoder: What would encode it.
        among: Notes of the score to measure, beside the others, which still cut them short; all by
            default.
    """
    config, vocabulary = encoder.config, encoder.vocabulary
    kept, tokens, error = _encoded(subject, encoder)
    fate = fates(subject, config, too_long=kept is None)
    fate = fate if among is None else fate.among(among)
    tracks = np.unique(subject.bundle.notes.track[fate.eligible])
    onset, duration, grid = _errors(subject, config, fate)
    return Report(
        config=config,
        vocabulary=len(vocabulary),
        tokens=tokens,
        error=error,
        notes=_notes(subject, fate),
        on_grid=grid,
        onset=onset,
        duration=duration,
        velocity=_velocity(subject, vocabulary, fate),
        tempo=_tempo(subject, config, kept),
        seconds=_seconds(subject, config, fate, kept),
        meters=_meters(subject, config),
        tracks=_tracks(subject, config, tracks),
        programs=_programs(subject, config, tracks),
        pedal=Pedal(
            presses=len(subject.score.pedals),
            applied=config.encoding == "performance" and config.sustain,
            notes_held=int((subject.silent > subject.released)[fate.eligible].sum()),
        ),
        not_carried=subject.not_carried,
        counted=subject.counted,
    )


def _encoded(subject: Piece, encoder: Encoder) -> tuple[Bundle | None, int | None, str | None]:
    """Return what the encoding keeps, the number of tokens, and why the piece is refused, if it is.

    Of a piece with too many tracks, what it keeps of the others.
    """
    bundle, error = subject.bundle, None
    try:
        kept = encoder.codec.quantise(bundle, encoder.vocabulary)
        return kept, len(encoder.codec.encode(kept, encoder.vocabulary)[0]), None
    except EncodingError as refusal:
        error = str(refusal)
    try:
        notes = take(bundle.notes, bundle.tracks.number[bundle.notes.track] < encoder.config.parts)
        return encoder.codec.quantise(bundle._replace(notes=notes), encoder.vocabulary), None, error
    except EncodingError:
        return None, None, error


def _notes(subject: Piece, fate: Fates) -> Notes:
    return Notes(
        in_file=len(subject.score),
        kept=len(fate.kept),
        dropped=fate.dropped,
        merged=fate.merged,
        doubled=fate.doubled,
        clipped=int((fate.duration < np.maximum(fate.wanted, 1)).sum()),
        lengthened=int((fate.wanted < 1).sum()),
    )


def _errors(subject: Piece, config: EncoderConfig, fate: Fates) -> tuple[Error, Error, Grid]:
    """Return the errors of onsets and of durations, and how many onsets and ends have none."""
    pedal = config.encoding == "performance" and config.sustain
    begins, ends = subject.bundle.notes.onset[fate.kept], fate.silent
    begins_s, ends_s = (
        subject.seconds[name][fate.kept] for name in ("begins", "silent" if pedal else "released")
    )
    until = fate.onset + fate.duration
    onset, end = (
        to_ticks(subject, config, fate.onset) - begins,
        to_ticks(subject, config, until) - ends,
    )
    onset_ms = 1000 * (to_seconds(subject, config, fate.onset) - begins_s)
    end_ms = 1000 * (to_seconds(subject, config, until) - ends_s)
    uncut = to_ticks(subject, config, fate.onset + fate.wanted) - ends
    return (
        Error(Spread.of(onset), Spread.of(onset_ms)),
        Error(Spread.of(end - onset), Spread.of(end_ms - onset_ms)),
        Grid(_share_of_zeros(onset), _share_of_zeros(uncut)),
    )


def _share_of_zeros(errors: NDArray[np.float64]) -> float:
    return round(float((np.abs(errors) < 1e-6).mean()), 6) if len(errors) else 1.0


def _velocity(subject: Piece, vocabulary: Vocabulary, fate: Fates) -> Velocity:
    carried = vocabulary.config.velocities > 0
    velocity = subject.bundle.notes.velocity[fate.kept]
    kept = vocabulary.kept_velocities[velocity] if carried else DEFAULT_VELOCITY
    return Velocity(carried, Spread.of(kept - velocity))


def _tempo(subject: Piece, config: EncoderConfig, kept: Bundle | None) -> Tempo:
    """Compare each tempo of the file with the one that the encoding has there."""
    score, stated = subject.score, subject.tempos
    stated = stated[(stated["tick"] < score.end) | (stated["tick"] == 0)]
    stated = stated[changes(stated["microseconds"])]
    if config.encoding == "performance" or kept is None:
        return Tempo(False, len(stated), 0, None)
    tick, microseconds = (stated[name].astype(np.int64) for name in ("tick", "microseconds"))
    rows = _tempos(kept)
    step = to_steps(tick, subject.bundle.ticks_per_quarter, config.steps_per_quarter)
    there = rows["microseconds"][np.searchsorted(rows["tick"], step, side="right") - 1]
    # Without tempos all is 120 bpm: what is kept, if that is what the file has.
    same = len(rows) if config.tempos else int((there == microseconds).all())
    return Tempo(
        config.tempos > 0,
        len(stated),
        min(same, len(stated)),
        Spread.of(6e7 / there - 6e7 / microseconds),
    )


def _tempos(kept: Bundle) -> Table:
    """Return `TEMPO[...]` of a quantised piece, from step 0 on."""
    rows = columns(TEMPO, tick=kept.tempos.tick, microseconds=kept.tempos.microseconds)
    return in_force(rows, (DEFAULT_TEMPO,))


def _seconds(subject: Piece, config: EncoderConfig, fate: Fates, kept: Bundle | None) -> Seconds:
    if kept is None or not len(fate.kept):
        return Seconds(0.0, 0.0)
    in_file = subject.score.seconds(fate.silent.max(keepdims=True))[0]
    step = (fate.onset + fate.duration).max(keepdims=True)
    kept_there = (
        to_seconds(subject, config, step)
        if config.encoding == "performance"
        else tempo_map(_tempos(kept), config.steps_per_quarter).seconds(step)
    )[0]
    return Seconds(round(float(in_file), 6), round(float(kept_there), 6))


def _meters(subject: Piece, config: EncoderConfig) -> Meters:
    """Return which of the time signatures before the end have no token, and which cut a bar short."""
    score = subject.score
    rows = score.with_default_meter()
    rows = rows[(rows["tick"] < score.end) | (rows["tick"] == 0)]
    if config.encoding == "performance":
        return Meters(False, len(rows), (), 0)
    tick, numerator, denominator = (
        rows[name].astype(np.int64) for name in ("tick", "numerator", "denominator")
    )
    bar = 4 * score.ticks_per_quarter * numerator
    meters = zip(numerator.tolist(), denominator.tolist(), strict=True)
    there = [(meter, METERS[supported_meter(*meter)]) for meter in meters]
    return Meters(
        carried=True,
        in_file=len(rows),
        approximated=tuple({"from": _name(a), "to": _name(b)} for a, b in there if a != b),
        cut_short=int((np.diff(tick) * denominator[:-1] % bar[:-1] != 0).sum()),
    )


def _name(meter: tuple[int, int]) -> str:
    return "{}/{}".format(*meter)


def _silenced(subject: Piece, tracks: Column) -> Column:
    """Return the tracks of the file that have notes, but none that is not dropped."""
    return np.setdiff1d(subject.bundle.notes.track, tracks)


def _tracks(subject: Piece, config: EncoderConfig, tracks: Column) -> Tracks:
    """Return how many tracks there are with notes, how many of them are dropped, and how many are told apart."""
    dropped = len(_silenced(subject, tracks))
    kept = len(tracks) if config.encoding == "metric" else min(len(tracks), 1)
    return Tracks(len(tracks) + dropped, dropped, kept)


def _programs(subject: Piece, config: EncoderConfig, tracks: Column) -> Programs:
    """Return how many of the tracks with notes have a program, or a kit of drums, that becomes program 0."""
    table = subject.bundle.tracks
    program, drum = table.program[tracks], table.drum[tracks]
    carried = config.encoding == "metric" and config.programs
    return Programs(
        lost=int((program[~drum] != 0).sum()) * (not carried),
        drum_kits=int((program[drum] != 0).sum()),
        dropped=int((table.program[_silenced(subject, tracks)] != 0).sum()),
    )
