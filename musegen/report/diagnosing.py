"""The whole report: the measurements, and the settings that would lose less."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from musegen.config import EncoderConfig
from musegen.report.losses import LOSSES, losses
from musegen.report.measuring import measure
from musegen.report.model import Report, Suggestion
from musegen.report.subject import Subject, subject

if TYPE_CHECKING:
    from musegen.encoder import Encoder

__all__ = ["diagnose"]

SUBSTANTIAL = 0.25  # share of a loss that a setting must spare to be suggested
MOST_PARTS = 64  # that an encoding can have


class Ladder(NamedTuple):
    """Values of a setting worth trying, from cheap to dear, and the losses they are tried for."""

    setting: str
    encodings: tuple[str, ...]
    values: tuple[Any, ...]
    against: tuple[str, ...]


_IN_TIME = ("onset_ms", "duration_ms", "notes_merged", "notes_clipped", "notes_lengthened")
_METRIC, _PERFORMANCE = ("metric",), ("performance",)

LADDERS = (
    Ladder("drums", _METRIC, (True,), ("notes_dropped",)),
    # 24 holds thirty-seconds and triplets of sixteenths, 48 sixty-fourths; 96 is as fine as it gets.
    Ladder("steps_per_quarter", _METRIC, (12, 24, 48, 96), _IN_TIME),
    Ladder("programs", _METRIC, (True,), ("programs",)),
    Ladder("sustain", _PERFORMANCE, (True,), ("pedals",)),
    Ladder("velocities", _METRIC + _PERFORMANCE, (32, 127), ("velocity",)),
    Ladder("tempos", _METRIC, (32, 128), ("tempo_bpm", "tempos")),
    Ladder("encoding", _METRIC, _PERFORMANCE, ("onset_ms", "duration_ms", "notes_dropped", "pedals")),
    Ladder("encoding", _PERFORMANCE, _METRIC, ("notes_dropped", "meters", "tracks", "programs", "onset_ms")),
)  # fmt: skip


def diagnose(source: Any, encoder: Encoder) -> Report:
    """Return what an encoder would lose on a piece. See `Encoder.report`.

    Raises:
        MidiError: The piece cannot be read.
    """
    piece = subject(source)
    report = measure(piece, encoder)
    return report.with_suggestions(tuple(_suggestions(piece, encoder, report)))


def _suggestions(piece: Subject, encoder: Encoder, report: Report) -> Iterator[Suggestion]:
    """Yield the settings that spare a loss, changed one at a time: of each, the first value that does, and the best."""
    for ladder in (*_more_parts(piece, encoder.config), *LADDERS):
        if encoder.config.encoding in ladder.encodings:
            found = list(_climb(piece, encoder, report, ladder))
            yield from found if len(found) < 2 else (found[0], found[-1])


def _climb(piece: Subject, encoder: Encoder, report: Report, ladder: Ladder) -> Iterator[Suggestion]:
    """Yield each value of a setting that spares substantially more than the ones before."""
    now = best = losses(report)
    current = getattr(encoder.config, ladder.setting)
    for value in ladder.values:
        if value == current or (isinstance(value, int) and value < current):
            continue
        if not any(best[name] >= LOSSES[name].least for name in ladder.against):
            return
        change = {ladder.setting: value, **_room(piece, encoder.config, ladder.setting)}
        trial = measure(piece, type(encoder)(replace(encoder.config, **change)))
        then = losses(trial)
        if trial.error or (ladder.setting == "encoding" and then["notes_dropped"] > now["notes_dropped"]):
            continue  # nothing is worth whole tracks
        if any(name in _less(best, then) for name in ladder.against):
            best = then
            # A setting that keeps more notes has more that can go wrong: that is no cost.
            costs = _more(now, then) if trial.notes.kept <= report.notes.kept else {}
            yield Suggestion(change, _less(now, then), costs, trial.vocabulary, trial.tokens)


def _room(piece: Subject, config: EncoderConfig, setting: str) -> dict[str, int]:
    """Return the parts that drums need if they come in: they may stand on tracks beyond those there are."""
    needed = int(piece.bundle.notes.track.max(initial=-1)) + 1
    return {"parts": needed} if setting == "drums" and config.parts < needed <= MOST_PARTS else {}


def _more_parts(piece: Subject, config: EncoderConfig) -> Iterator[Ladder]:
    """Yield as many parts as the piece has tracks: more would make the vocabulary larger and help nothing."""
    used = piece.bundle.notes.track[~piece.drum] if not config.drums else piece.bundle.notes.track
    needed = int(used.max(initial=-1)) + 1
    if config.parts < needed <= MOST_PARTS:
        yield Ladder("parts", _METRIC, (needed,), ("notes_dropped",))


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
