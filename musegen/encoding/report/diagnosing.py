"""The whole report: the measurements, and the settings that would lose less."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from musegen.config import EncoderConfig
from musegen.encoding.bundle import Column
from musegen.encoding.report.losses import LOSSES, losses
from musegen.encoding.report.measuring import measure
from musegen.encoding.report.outcomes import fates
from musegen.encoding.report.report import Report, Suggestion
from musegen.encoding.report.subject import Piece, subject

if TYPE_CHECKING:
    from musegen.encoding.encoder import Encoder

__all__ = ["diagnose"]

SUBSTANTIAL = 0.25  # share of a loss that a setting must spare to be suggested
MOST_PARTS = 64  # that an encoding can have


class Candidates(NamedTuple):
    """Values of a setting worth trying, from cheap to dear, and the losses they are tried for."""

    setting: str
    encodings: tuple[str, ...]
    values: tuple[Any, ...]
    against: tuple[str, ...]


_IN_TIME = ("onset_ms", "duration_ms", "notes_merged", "notes_clipped", "notes_lengthened")
_METRIC, _PERFORMANCE = ("metric",), ("performance",)

LADDERS = (
    Candidates("drums", _METRIC, (True,), ("notes_dropped",)),
    # 24 holds thirty-seconds and triplets of sixteenths, 48 sixty-fourths; 96 is as fine as it
    # gets.
    Candidates("steps_per_quarter", _METRIC, (12, 24, 48, 96), _IN_TIME),
    Candidates("programs", _METRIC, (True,), ("programs",)),
    Candidates("sustain", _PERFORMANCE, (True,), ("pedals",)),
    Candidates("velocities", _METRIC + _PERFORMANCE, (32, 127), ("velocity",)),
    Candidates("tempos", _METRIC, (32, 128), ("tempo_bpm", "tempos")),
    Candidates(
        "encoding", _METRIC, _PERFORMANCE, ("onset_ms", "duration_ms", "notes_dropped", "pedals")
    ),
    Candidates(
        "encoding",
        _PERFORMANCE,
        _METRIC,
        ("notes_dropped", "meters", "tracks", "programs", "onset_ms"),
    ),
)


@dataclass(frozen=True)
class Baseline:
    """A piece as it is encoded now, which other settings are compared with."""

    piece: Piece
    encoder: Encoder
    report: Report

    @cached_property
    def kept(self) -> Column:
        """Index of each note that is kept."""
        return fates(self.piece, self.encoder.config, too_long=not self.report.notes.kept).kept

    @cached_property
    def losses_of_kept(self) -> dict[str, float]:
        """What the notes that are kept lose."""
        return losses(measure(self.piece, self.encoder, among=self.kept))

    def costs(self, encoder: Encoder, trial: Report) -> dict[str, dict[str, float]]:
        """Return what is substantially worse in a trial.

        Notes that the trial alone keeps have their errors as well, and their tracks theirs: that is
        better than not to have them, and no cost. So a loss counts only if it is larger for the
        notes that are kept now, too.
        """
        costs = _more(losses(self.report), losses(trial))
        if not costs or self.report.notes.kept == self.report.notes.in_file:
            return costs
        real = _more(self.losses_of_kept, losses(measure(self.piece, encoder, among=self.kept)))
        return {name: values for name, values in costs.items() if name in real}


def diagnose(source: Any, encoder: Encoder) -> Report:
    """Return what an encoder would lose on a piece. See `Encoder.report`.

    Raises:
        MidiError: The piece cannot be read.
    """
    piece = subject(source)
    present = Baseline(piece, encoder, measure(piece, encoder))
    return present.report.with_suggestions(tuple(_suggestions(present)))


def _suggestions(present: Baseline) -> Iterator[Suggestion]:
    """Yield the settings that spare a loss, changed one at a time: of each, the first value that does, and the best."""
    config, dropped = present.encoder.config, present.report.notes.dropped
    for ladder in (*_more_parts(present.piece, config), *LADDERS):
        if ladder.setting == "drums" and not dropped["drums"]:
            # The parts that come with drums would spare notes, and the drums get the credit
            continue
        if config.encoding in ladder.encodings:
            found = list(_climb(present, ladder))
            yield from found if len(found) < 2 else (found[0], found[-1])


def _climb(present: Baseline, ladder: Candidates) -> Iterator[Suggestion]:
    """Yield each value of a setting that spares substantially more than the ones before."""
    piece, encoder = present.piece, present.encoder
    now = best = losses(present.report)
    current = getattr(encoder.config, ladder.setting)
    for value in ladder.values:
        if value == current or (isinstance(value, int) and value < current):
            continue
        if not any(best[name] >= LOSSES[name].least for name in ladder.against):
            return
        change = {ladder.setting: value, **_room(piece, encoder.config, ladder.setting)}
        other = type(encoder)(replace(encoder.config, **change))
        trial = measure(piece, other)
        then = losses(trial)
        if trial.error or (
            ladder.setting == "encoding" and then["notes_dropped"] > now["notes_dropped"]
        ):
            continue  # nothing is worth whole tracks
        if any(name in _less(best, then) for name in ladder.against):
            best = then
            costs = present.costs(other, trial)
            yield Suggestion(change, _less(now, then), costs, trial.vocabulary, trial.tokens)


def _room(piece: Piece, config: EncoderConfig, setting: str) -> dict[str, int]:
    """Return the parts that drums need if they come in: they may stand on tracks beyond those there are."""
    needed = int(piece.bundle.notes.track.max(initial=-1)) + 1
    return {"parts": needed} if setting == "drums" and config.parts < needed <= MOST_PARTS else {}


def _more_parts(piece: Piece, config: EncoderConfig) -> Iterator[Candidates]:
    """Yield as many parts as the piece has tracks: more would make the vocabulary larger and help nothing."""
    used = piece.bundle.notes.track[~piece.drum] if not config.drums else piece.bundle.notes.track
    needed = int(used.max(initial=-1)) + 1
    if config.parts < needed <= MOST_PARTS:
        yield Candidates("parts", _METRIC, (needed,), ("notes_dropped",))


def _less(before: dict[str, float], after: dict[str, float]) -> dict[str, dict[str, float]]:
    """Return the losses that are substantially smaller after than before."""
    return {
        name: {"before": much, "after": after[name]}
        for name, much in before.items()
        if much - after[name] >= max(LOSSES[name].least, SUBSTANTIAL * much)
    }


def _more(before: dict[str, float], after: dict[str, float]) -> dict[str, dict[str, float]]:
    """Return the losses that are substantially larger after than before."""
    return {name: {"before": before[name], "after": after[name]} for name in _less(after, before)}
