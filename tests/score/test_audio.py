"""Scores are rendered to sound."""

import numpy as np
import pytest

from musegen import MidiError, MusegenError, Score, Track
from musegen.score.export.audio import resampled
from musegen.score.midi import render
from tests.score.pieces import PIECE


def tone(hertz, samples, rate):
    """Amplitude of a frequency in the left channel."""
    time = np.arange(len(samples)) / rate
    return abs(np.exp(-2j * np.pi * hertz * time) @ samples[:, 0]) / len(samples)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_the_sound_is_as_long_and_as_high_as_the_music(rate):
    """Two seconds: a flute's A at 440 Hz for one, then silence."""
    score = Score(notes=[(0, 960, 69, 110, 0)], tracks=[Track(program=73)], end=1920)
    samples = render(score, rate)
    assert samples.dtype == np.float32 and samples.shape == (2 * rate, 2)
    assert np.abs(samples).max() <= 1
    played, silent = samples[: rate // 2], samples[-rate // 4 :]
    assert np.abs(played).max() > 0.05 and np.abs(silent).max() < 0.02 * np.abs(played).max()
    assert tone(440, played, rate) > 10 * tone(466.16, played, rate)


def test_resampling_leaves_no_alias():
    """A tone above 4 kHz must vanish at 8 kHz, not be mirrored."""
    score = Score(notes=[(0, 1920, 108, 127, 0)], tracks=[Track(program=73)], end=1920)
    loud = tone(4186.01, render(score, 48_000), 48_000)
    assert loud > 1e-3
    assert tone(8_000 - 4186.01, render(score, 8_000), 8_000) < 0.02 * loud


@pytest.mark.parametrize(
    ("rate", "wanted"), [(48_000, 44_100), (48_000, 22_050), (44_100, 48_000), (48_000, 16_000)]
)
def test_resampling_keeps_a_tone_as_it_is(rate, wanted):
    before, expected = (
        np.sin(2 * np.pi * 3000 * np.arange(r // 10) / r).astype(np.float32) for r in (rate, wanted)
    )
    out = resampled(np.stack([before, -before], axis=1), rate, wanted)
    assert out.shape == (wanted // 10, 2)
    inside = slice(100, -100)  # the filter reaches into the silence at the edges
    assert out[inside, 0] == pytest.approx(expected[inside], abs=1e-3)
    assert np.array_equal(out[:, 1], -out[:, 0])


def test_audio_is_a_player_with_that_sound():
    player = PIECE.audio()
    assert type(player).__name__ == "Audio" and type(player).__module__.startswith("IPython")
    assert player.data[:4] == b"RIFF" and "<audio" in player._repr_html_()
    assert len(player.data) == 44 + 4 * round(PIECE.duration * 44_100)
    assert int.from_bytes(player.data[24:28], "little") == 44_100
    assert len(PIECE.audio(8_000).data) < len(player.data) / 5
    assert not np.frombuffer(Score(end=480).audio().data[44:], "<i2").any()


def test_a_score_without_length_has_no_player():
    with pytest.raises(
        MidiError, match=r"nothing to hear. Received: Score\(0 notes.*Score\(end=480\)"
    ):
        Score().audio()


def test_invalid_requests_for_sound_are_refused(tmp_path, monkeypatch):
    with pytest.raises(MidiError, match=r"sample_rate must be 8000 to 48000. Received: 0"):
        PIECE.audio(0)
    with pytest.raises(MidiError, match=r"at most 60 minutes. Received: 74..*score\[:64\].audio"):
        Score(end=480 * 120 * 74 + 480).audio()
    monkeypatch.setenv("MUSEGEN_SOUNDFONT", str(tmp_path / "none.sf2"))
    with pytest.raises(MusegenError, match=r"none.sf2; there is none. Set MUSEGEN_SOUNDFONT"):
        PIECE.audio()
    (tmp_path / "none.sf2").write_bytes(b"RIFF no SoundFont")
    with pytest.raises(MusegenError, match=r"cannot render with the SoundFont .*none.sf2"):
        PIECE.audio()
