"""Numbers and names of the MIDI standard."""

from __future__ import annotations

__all__ = [
    "DRUM_CHANNEL",
    "END_OF_TRACK",
    "KEY_NAMES",
    "KEY_NUMBERS",
    "MAX_DENOMINATOR",
    "MAX_TICK",
    "MAX_TRACKS",
    "SUSTAIN",
]

DRUM_CHANNEL = 9  # counted from 0; General MIDI's channel 10
SUSTAIN = 64  # controller number of the sustain pedal
END_OF_TRACK = b"\xff\x2f\0"  # the meta event, without its delta time
MAX_DENOMINATOR = 128  # of a time signature: symusic keeps it in 8 bits
MAX_TICK = 2**31 - 2  # ticks are kept in 32 bits with a sign
MAX_TRACKS = 0xFFFF  # a note's track has 16 bits

MAJOR = "Cb Gb Db Ab Eb Bb F C G D A E B F# C#".split()
MINOR = "Abm Ebm Bbm Fm Cm Gm Dm Am Em Bm F#m C#m G#m D#m A#m".split()
KEY_NAMES = {
    (fifths, minor): names[fifths + 7] for minor, names in ((False, MAJOR), (True, MINOR)) for fifths in range(-7, 8)
}
"""(fifths, minor) → the name that mido uses."""
KEY_NUMBERS = {name: number for number, name in KEY_NAMES.items()}
