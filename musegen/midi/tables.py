"""Numbers and names of the MIDI standard."""

from __future__ import annotations

__all__ = ["DRUM_CHANNEL", "KEY_NAMES", "KEY_NUMBERS", "SUSTAIN"]

DRUM_CHANNEL = 9  # counted from 0; General MIDI's channel 10
SUSTAIN = 64  # controller number of the sustain pedal

MAJOR = "Cb Gb Db Ab Eb Bb F C G D A E B F# C#".split()
MINOR = "Abm Ebm Bbm Fm Cm Gm Dm Am Em Bm F#m C#m G#m D#m A#m".split()
KEY_NAMES = {
    (fifths, minor): names[fifths + 7] for minor, names in ((False, MAJOR), (True, MINOR)) for fifths in range(-7, 8)
}
"""(fifths, minor) → the name that mido uses."""
KEY_NUMBERS = {name: number for number, name in KEY_NAMES.items()}
