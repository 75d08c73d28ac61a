"""Amounts of music, compared with numbers worked out by hand."""

from fractions import Fraction

import pytest

from musegen import EncoderConfig
from musegen.encoding.encoder import Encoder
from musegen.evaluation import amounts
from tests.evaluation.helpers import BAR, LINE, tune

TIMED = EncoderConfig(parts=1, programs=False, drums=False, velocities=0, tempos=16)
PLAYED = EncoderConfig(encoding="performance", velocities=0)


def units_of(config, *scores, **more):
    encoder = Encoder(config)
    pieces = [encoder.encode(score) for score in scores]
    return {
        unit: values.tolist()
        for unit, values in amounts(encoder, pieces, encoder.decode_many(pieces), **more).items()
    }


def test_units_of_bars():
    # A rest of an eighth, a note of an eighth; a note over the second barline to its first quarter;
    # then silence.
    first = tune((240, 240, 60), (BAR, BAR + 480, 62), end=3 * BAR)
    second = tune((0, 480, 60), (0, 480, 64))
    events = (
        "bar time_signature position pitch duration bar position pitch duration bar end".split()
    )
    found = units_of(LINE, first, second, frame=Fraction(1, 16), voices=4)
    assert found["note"] == [2, 2] and found["bar"] == [3, 1]
    assert found["token"] == [len(events), 8]
    assert found["frame"] == [
        2 * 16 + 4 - 2,
        4,
    ]  # from the second sixteenth on, to the ninth quarter
    assert found["cell"] == [4 * 34, 16]
    assert set(found) == {"token", "note", "bar", "frame", "cell"}  # no tempo, no seconds


@pytest.mark.parametrize(
    "frame, frames",
    [
        (Fraction(1, 4), 3),  # quarters 0, 1 and 2 are touched
        (Fraction(1, 8), 4),  # eighths 1 to 4
        (Fraction(1, 12), 7),  # of 4 steps each: 1 to 7
        (Fraction(1, 1), 1),
        (Fraction(3, 16), 4),  # of 9 steps each: 0 to 3
        (Fraction(1, 48), 24),  # the encoding's own step: 6 to 30
    ],
)
def test_frames_that_are_touched(frame, frames):
    """A note from the first eighth to the fifth: from step 6 to step 30, 12 in a quarter."""
    assert units_of(LINE, tune((240, 960, 60)), frame=frame)["frame"] == [frames]


def test_units_of_time():
    played = tune((480, 480, 60), (960, 720, 62))  # at 120 bpm 0.5 to 1.75 s
    found = units_of(PLAYED, played)
    assert found["second"] == [1.25] and found["note"] == [2] and "bar" not in found
    slow = tune((0, 480, 60), (480, 480, 62), tempos=[(0, 1_000_000)])
    (second,) = units_of(TIMED, slow)["second"]
    assert second == pytest.approx(2, rel=0.1)  # of 16 tempos the nearest
    assert second == 2 * Encoder(TIMED).quantise(slow).tempos["microseconds"][0] / 1e6
