"""Make the whole report: the measurements, and the settings that would lose less."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from musegen.encoding.report.losses import LOSSES, losses
from musegen.encoding.report.measuring import measure
from musegen.encoding.report.outcomes import Piece, outcomes
from musegen.encoding.report.report import Report, Suggestion

if TYPE_CHECKING:
    from musegen.encoding.encoder import Encoder

__all__ = ["MOST_PARTS", "diagnose"]

SUBSTANTIAL = 0.25  # share of a loss that a suggestion must save
MOST_PARTS = 64  # of any encoding

Amounts = dict[str, float]
Differences = dict[str, dict[str, float]]


class Candidates(NamedTuple):
    """Values of a setting to try."""

    setting: str
    encodings: tuple[str, ...]
    values: tuple[Any, ...]
    """From cheap to expensive."""
    against: tuple[str, ...]
    """The losses that they may reduce."""


_METRIC, _PERFORMANCE = ("metric",), ("performance",)
_TIMING = ("onset_ms", "duration_ms", "notes_merged", "notes_clipped", "notes_lengthened")
_OF_METRIC = ("onset_ms", "duration_ms", "notes_dropped", "pedals")
_OF_PERFORMANCE = ("notes_dropped", "meters", "tracks", "programs", "onset_ms")

CANDIDATES = (
    Candidates("drums", _METRIC, (True,), ("notes_dropped",)),
    # 24 has thirty-seconds and triplets of sixteenths, 48 sixty-fourths; 96 is the finest grid.
    Candidates("steps_per_quarter", _METRIC, (12, 24, 48, 96), _TIMING),
    Candidates("programs", _METRIC, (True,), ("programs",)),
    Candidates("sustain", _PERFORMANCE, (True,), ("pedals",)),
    Candidates("velocities", _METRIC + _PERFORMANCE, (32, 127), ("velocity",)),
    Candidates("tempos", _METRIC, (32, 128), ("tempo_bpm", "tempos")),
    Candidates("encoding", _METRIC, _PERFORMANCE, _OF_METRIC),
    Candidates("encoding", _PERFORMANCE, _METRIC, _OF_PERFORMANCE),
)


def diagnose(source: Any, encoder: Encoder) -> Report:
    """Return what an encoder loses on a piece. See `Encoder.report`.

    Raises:
        MidiError: The piece cannot be read.
    """
    piece = Piece.of(source)
    report = measure(piece, encoder)
    return report.with_suggestions(tuple(_suggestions(piece, encoder, report)))


def _suggestions(piece: Piece, encoder: Encoder, report: Report) -> Iterator[Suggestion]:
    """Yield single changes that reduce a loss: per setting the first such value, and the best."""
    config = encoder.config
    needed = _parts(piece, with_drums=config.drums)
    more_parts = Candidates("parts", _METRIC, (needed,), ("notes_dropped",))
    for candidates in (more_parts, *CANDIDATES):
        impossible = {
            "parts": not config.parts < needed <= MOST_PARTS,
            # The additional parts would save notes, and the drums would get the credit.
            "drums": not report.notes.dropped["drums"],
        }
        if config.encoding in candidates.encodings and not impossible.get(candidates.setting):
            found = list(_climb(piece, encoder, report, candidates))
            yield from found if len(found) < 2 else (found[0], found[-1])


def _parts(piece: Piece, with_drums: bool) -> int:
    """Return the number of parts that the tracks of a piece need."""
    track = piece.bundle.notes.track
    return int((track if with_drums else track[~piece.drum]).max(initial=-1)) + 1


def _climb(
    piece: Piece, encoder: Encoder, report: Report, candidates: Candidates
) -> Iterator[Suggestion]:
    """Yield each value of a setting that saves substantially more than the values before."""
    setting, config = candidates.setting, encoder.config
    now = best = losses(report)
    current = getattr(config, setting)
    for value in candidates.values:
        if value == current or (isinstance(value, int) and value < current):
            continue
        if not any(best[name] >= LOSSES[name].least for name in candidates.against):
            return
        change = {setting: value}
        if setting == "drums" and config.parts < _parts(piece, with_drums=True) <= MOST_PARTS:
            change["parts"] = _parts(piece, with_drums=True)
        other = type(encoder)(replace(config, **change))
        trial = measure(piece, other)
        then = losses(trial)
        # Another encoding is no improvement if it loses whole tracks.
        worse = setting == "encoding" and then["notes_dropped"] > now["notes_dropped"]
        if trial.error or worse:
            continue
        if any(name in _saved(best, then) for name in candidates.against):
            best = then
            costs = _costs(piece, encoder, report, other, trial)
            yield Suggestion(change, _saved(now, then), costs, trial.vocabulary, trial.tokens)


def _costs(
    piece: Piece, encoder: Encoder, report: Report, other: Encoder, trial: Report
) -> Differences:
    """Return the losses that are substantially larger with another encoder.

    Notes that only the other one keeps add their errors and their tracks. That is better than
    losing them, so a loss counts only if it also grows among the notes that are kept now.
    """
    more = _saved(losses(trial), losses(report))
    if more and report.notes.kept < report.notes.in_file:
        kept = outcomes(piece, encoder.config, too_long=not report.notes.kept).kept
        after, before = (losses(measure(piece, each, among=kept)) for each in (other, encoder))
        more = {name: more[name] for name in more if name in _saved(after, before)}
    return {name: {"before": v["after"], "after": v["before"]} for name, v in more.items()}


def _saved(before: Amounts, after: Amounts) -> Differences:
    """Return the losses that are substantially smaller after than before."""
    return {
        name: {"before": amount, "after": after[name]}
        for name, amount in before.items()
        if amount - after[name] >= max(LOSSES[name].least, SUBSTANTIAL * amount)
    }
