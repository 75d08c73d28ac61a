"""A report's losses under names, so that two reports can be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from musegen.encoding.report.report import Report

__all__ = ["LOSSES", "Loss", "losses"]


class Loss(NamedTuple):
    """How a loss is spoken of, and how much of it is worth speaking of."""

    label: str
    unit: str
    least: float
    """A smaller difference between two settings is not worth a suggestion."""


LOSSES = {
    "notes_dropped": Loss("notes dropped", "", 1),
    "notes_merged": Loss("notes merged", "", 1),
    "notes_clipped": Loss("notes clipped", "", 1),
    "notes_lengthened": Loss("notes lengthened", "", 1),
    "onset_ms": Loss("onset error", "ms", 0.5),
    "duration_ms": Loss("duration error", "ms", 0.5),
    "velocity": Loss("velocity error", "", 0.25),
    "tempo_bpm": Loss("tempo error", "bpm", 0.1),
    "tempos": Loss("tempos lost", "", 1),
    "meters": Loss("time signatures lost", "", 1),
    "tracks": Loss("tracks merged", "", 1),
    "programs": Loss("programs lost", "", 1),
    "pedals": Loss("pedal presses lost", "", 1),
}
"""Name of each loss that settings can change; the errors are means."""


def losses(report: Report) -> dict[str, float]:
    """Return how much is lost of each kind in `LOSSES`, in its unit."""
    notes, tempo, meters, pedal = report.notes, report.tempo, report.meters, report.pedal
    return {
        "notes_dropped": sum(notes.dropped.values()),
        "notes_merged": notes.merged,
        "notes_clipped": notes.clipped,
        "notes_lengthened": notes.lengthened,
        "onset_ms": report.onset.ms.mean,
        "duration_ms": report.duration.ms.mean,
        "velocity": report.velocity.error.mean,
        "tempo_bpm": tempo.error.mean if tempo.error else 0.0,
        "tempos": tempo.in_file - tempo.kept,
        "meters": len(meters.approximated) if meters.carried else meters.in_file,
        "tracks": report.tracks.in_file - report.tracks.dropped - report.tracks.kept,
        "programs": report.programs.lost,  # kits of drums are lost with any setting
        "pedals": 0 if pedal.applied else pedal.presses,
    }
