"""Name the losses of a report, so that two reports can be compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from musegen.encoding.report.report import Report

__all__ = ["LOSSES", "Loss", "losses"]


class Loss(NamedTuple):
    """A number that settings can reduce."""

    label: str
    unit: str
    least: float
    """Smaller differences between two settings are not worth a suggestion."""
    of: Callable[[Report], float]


LOSSES = {
    "notes_dropped": Loss("notes dropped", "", 1, lambda r: sum(r.notes.dropped.values())),
    "notes_merged": Loss("notes merged", "", 1, lambda r: r.notes.merged),
    "notes_clipped": Loss("notes clipped", "", 1, lambda r: r.notes.clipped),
    "notes_lengthened": Loss("notes lengthened", "", 1, lambda r: r.notes.lengthened),
    "onset_ms": Loss("onset error", "ms", 0.5, lambda r: r.onset.ms.mean),
    "duration_ms": Loss("duration error", "ms", 0.5, lambda r: r.duration.ms.mean),
    "velocity": Loss("velocity error", "", 0.25, lambda r: r.velocity.error.mean),
    "tempo_bpm": Loss(
        "tempo error", "bpm", 0.1, lambda r: r.tempo.error.mean if r.tempo.error else 0.0
    ),
    "tempos": Loss("tempos lost", "", 1, lambda r: r.tempo.in_file - r.tempo.kept),
    "meters": Loss(
        "time signatures lost",
        "",
        1,
        lambda r: len(r.meters.approximated) if r.meters.carried else r.meters.in_file,
    ),
    "tracks": Loss(
        "tracks merged", "", 1, lambda r: r.tracks.in_file - r.tracks.dropped - r.tracks.kept
    ),
    # Without drum kits, which are lost with any setting.
    "programs": Loss("programs lost", "", 1, lambda r: r.programs.lost),
    "pedals": Loss(
        "pedal presses lost", "", 1, lambda r: 0 if r.pedal.applied else r.pedal.presses
    ),
}
"""Name → loss, for each loss that settings can change; errors are means."""


def losses(report: Report) -> dict[str, float]:
    """Return the amount of each loss in `LOSSES`, in its unit."""
    return {name: loss.of(report) for name, loss in LOSSES.items()}
