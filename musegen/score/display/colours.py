"""Colours that hold on light and dark backgrounds and are told apart by colour-blind readers."""

from __future__ import annotations

__all__ = ["INK", "KIND_COLOURS", "OTHER_KIND", "PALETTE", "VELOCITY_OPACITIES"]

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8c6bb1")
"""Tracks: Okabe and Ito 2008, without the yellow and black that a background swallows, with a violet."""

INK = "currentColor"
"""Text, lines, drums: whatever colour the page writes in."""

VELOCITY_OPACITIES = (0.4, 0.6, 0.8, 1.0)
"""Velocities 1–31, 32–63, 64–95 and 96–127."""

KIND_COLOURS = {
    "start": "#888888",
    "end": "#888888",
    "bar": INK,
    "time_signature": "#e69f00",
    "position": "#888888",
    "tempo": "#b39b00",
    "part": "#56b4e9",
    "program": "#0072b2",
    "pitch": "#009e73",
    "drum": "#009e73",
    "velocity": "#cc79a7",
    "hold": "#8c6bb1",
    "duration": "#d55e00",
}
"""Kinds of tokens."""

OTHER_KIND = "#888888"
