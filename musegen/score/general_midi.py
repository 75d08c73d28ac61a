"""Numbers of the MIDI standard, limits of what a score can hold, and General MIDI's instruments.

Sources: Standard MIDI Files 1.0 (RP-001) and General MIDI level 1 (RP-003), MIDI Association.
"""

from __future__ import annotations

__all__ = [
    "ALL_NOTES_OFF",
    "DEFAULT_VELOCITY",
    "DRUM_CHANNEL",
    "END_OF_TRACK",
    "KEY_NAMES",
    "KEY_NUMBERS",
    "MAX_DENOMINATOR",
    "MAX_TEMPO",
    "MAX_TICK",
    "MAX_TICKS_PER_QUARTER",
    "MAX_TRACKS",
    "MELODIC_CHANNELS",
    "PROGRAMS",
    "SUSTAIN",
]

DRUM_CHANNEL = 9  # counted from 0; General MIDI's channel 10
MELODIC_CHANNELS = tuple(channel for channel in range(16) if channel != DRUM_CHANNEL)
ALL_NOTES_OFF = 123  # controller number
SUSTAIN = 64  # controller number of the sustain pedal
END_OF_TRACK = b"\xff\x2f\0"  # the meta event, without its delta time

DEFAULT_VELOCITY = 80  # for sources that carry no dynamics

MAX_DENOMINATOR = 128  # of a time signature: symusic stores it in 8 bits
MAX_TEMPO = 2**24 - 1  # microseconds per quarter, in three bytes
MAX_TICK = 2**31 - 2  # inclusive; ticks are signed 32-bit integers
MAX_TICKS_PER_QUARTER = 0x7FFF  # two bytes of the header, whose highest bit means SMPTE time
MAX_TRACKS = 0xFFFF  # a note's track has 16 bits

MAJOR = "Cb Gb Db Ab Eb Bb F C G D A E B F# C#".split()
MINOR = "Abm Ebm Bbm Fm Cm Gm Dm Am Em Bm F#m C#m G#m D#m A#m".split()
KEY_NAMES = {
    (fifths, minor): names[fifths + 7]
    for minor, names in ((False, MAJOR), (True, MINOR))
    for fifths in range(-7, 8)
}
"""(fifths, minor) → mido's name of the key."""
KEY_NUMBERS = {name: number for number, name in KEY_NAMES.items()}

_PROGRAMS = """
Acoustic grand piano, Bright acoustic piano, Electric grand piano, Honky-tonk piano,
Electric piano 1, Electric piano 2, Harpsichord, Clavinet,
Celesta, Glockenspiel, Music box, Vibraphone, Marimba, Xylophone, Tubular bells, Dulcimer,
Drawbar organ, Percussive organ, Rock organ, Church organ, Reed organ, Accordion, Harmonica,
Tango accordion,
Nylon-string guitar, Steel-string guitar, Jazz guitar, Clean guitar, Muted guitar,
Overdriven guitar, Distortion guitar, Guitar harmonics,
Acoustic bass, Fingered bass, Picked bass, Fretless bass, Slap bass 1, Slap bass 2, Synth bass 1,
Synth bass 2,
Violin, Viola, Cello, Contrabass, Tremolo strings, Pizzicato strings, Harp, Timpani,
String ensemble 1, String ensemble 2, Synth strings 1, Synth strings 2, Choir aahs, Voice oohs,
Synth voice, Orchestra hit,
Trumpet, Trombone, Tuba, Muted trumpet, French horn, Brass section, Synth brass 1, Synth brass 2,
Soprano sax, Alto sax, Tenor sax, Baritone sax, Oboe, English horn, Bassoon, Clarinet,
Piccolo, Flute, Recorder, Pan flute, Blown bottle, Shakuhachi, Whistle, Ocarina,
Square lead, Sawtooth lead, Calliope lead, Chiff lead, Charang lead, Voice lead, Fifths lead,
Bass and lead,
New age pad, Warm pad, Polysynth pad, Choir pad, Bowed pad, Metallic pad, Halo pad, Sweep pad,
Rain, Soundtrack, Crystal, Atmosphere, Brightness, Goblins, Echoes, Sci-fi,
Sitar, Banjo, Shamisen, Koto, Kalimba, Bagpipe, Fiddle, Shanai,
Tinkle bell, Agogo, Steel drums, Woodblock, Taiko drum, Melodic tom, Synth drum, Reverse cymbal,
Guitar fret noise, Breath noise, Seashore, Bird tweet, Telephone ring, Helicopter, Applause,
Gunshot
"""

PROGRAMS: tuple[str, ...] = tuple(name.strip() for name in _PROGRAMS.replace("\n", " ").split(","))
"""Names of the 128 General MIDI programs, eight of each family of instruments."""
