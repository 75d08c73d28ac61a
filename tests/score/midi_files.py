"""MIDI files for tests, written as chunks of (tick, message)."""

import mido

XG_ON = (0x43, 0x10, 0x4C, 0x00, 0x00, 0x7E, 0x00)
GS_RESET = (0x41, 0x10, 0x42, 0x12, 0x40, 0x00, 0x7F, 0x00, 0x41)
GM_ON = (0x7E, 0x7F, 0x09, 0x01)


def file_of(*chunks, kind=1, ticks=480):
    """A file of chunks of (tick, message), which are sorted by tick."""
    midi = mido.MidiFile(type=kind, ticks_per_beat=ticks)
    for chunk in chunks:
        midi.tracks.append(mido.MidiTrack())
        now = 0
        for tick, message in sorted(chunk, key=lambda timed: timed[0]):
            midi.tracks[-1].append(message.copy(time=tick - now))
            now = tick
    return midi


def note(onset, end, pitch=60, channel=0):
    """A note, as two events."""
    return [
        (onset, mido.Message("note_on", note=pitch, velocity=80, channel=channel)),
        (end, mido.Message("note_off", note=pitch, channel=channel)),
    ]


def line(count=8, channel=0, pitch=60, step=480):
    """Notes one after another."""
    return [
        event
        for index in range(count)
        for event in note(index * step, (index + 1) * step, pitch + index % 5, channel)
    ]


def program(tick, number, channel=0):
    return tick, mido.Message("program_change", program=number, channel=channel)


def control(tick, number, value, channel=0):
    return tick, mido.Message("control_change", control=number, value=value, channel=channel)


def bend(tick, value, channel=0):
    return tick, mido.Message("pitchwheel", pitch=value, channel=channel)


def sysex(tick, data):
    return tick, mido.Message("sysex", data=data)


def meta(tick, kind, **fields):
    return tick, mido.MetaMessage(kind, **fields)


def end(tick):
    return meta(tick, "end_of_track")
