"""Short tunes, and the encoding of a single line."""

from musegen import EncoderConfig, Score, Track

LINE = EncoderConfig(parts=1, programs=False, drums=False, velocities=0, tempos=0)
BAR = 480 * 4


def tune(*notes, **fields):
    """Notes of (onset, duration, pitch), 480 ticks a quarter."""
    return Score(notes=[(*note, 80, 0) for note in notes], tracks=[Track()], **fields)


def eighths(pitches, at=0):
    return tune(*((at + 240 * place, 240, int(pitch)) for place, pitch in enumerate(pitches)))
