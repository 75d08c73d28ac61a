"""Render a `Score` to sound with a SoundFont."""

from __future__ import annotations

import io
import math
import os
import wave
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musegen.errors import MidiError, MusegenError
from musegen.score.export.objects import midi_bytes
from musegen.utils.extras import require

if TYPE_CHECKING:
    from IPython.display import Audio

    from musegen.score.score import Score

__all__ = ["audio", "render", "resampled", "soundfont"]

MAX_MINUTES = 60  # at 11 MB a minute; a stray event hours later must not fill memory
ZERO_CROSSINGS = 24  # of the resampling filter, on each side
ROLL_OFF = 0.94  # cutoff of the resampling filter, relative to half the lower rate


def audio(score: Score, sample_rate: int = 44_100) -> Audio:
    """Return a player for notebooks: `IPython.display.Audio`.

    The sound is stored in the notebook, about 14 MB a minute; `sample_rate=22_050` halves that.

    Args:
        score: The music.
        sample_rate: Samples a second, 8,000 to 48,000.

    Raises:
        MusegenError: IPython or midirenderer is not installed, or there is no SoundFont.
        MidiError: The score has no length, or see `render`.
    """
    display = require("IPython.display", "audio", "score.audio()")
    samples = render(score, sample_rate)
    if not len(samples):
        raise MidiError(
            "expected music that lasts a moment at least; there is nothing to hear. "
            f"Received: {score!r}. Add notes, or a rest: Score(end=480)."
        )
    return display.Audio(samples.T, rate=sample_rate, normalize=bool(samples.any()))


def render(score: Score, sample_rate: int = 44_100) -> NDArray[np.float32]:
    """Return the stereo sound of a score, `float32[samples, 2]`, −1 to 1.

    It begins at tick 0 and lasts `score.duration` seconds.

    >>> from musegen import Score, Track
    >>> render(Score(notes=[(0, 480, 69, 80, 0)], tracks=[Track("Flute", 73)])).shape
    (22050, 2)

    Args:
        score: The music.
        sample_rate: Samples a second, 8,000 to 48,000.

    Raises:
        MusegenError: midirenderer is not installed, or there is no valid SoundFont.
        MidiError: The sample rate is out of range, or the music lasts longer than an hour.
    """
    midirenderer = require("midirenderer", "audio", "score.audio()")
    if not 8_000 <= sample_rate <= 48_000:
        raise MidiError(
            f"sample_rate must be 8000 to 48000. Received: {sample_rate}. Use 44100 or 22050."
        )
    if score.duration > 60 * MAX_MINUTES:
        raise MidiError(
            f"music to be heard must last at most {MAX_MINUTES} minutes. "
            f"Received: {score.duration / 60:.0f}. Cut it by bars: score[:64].audio()."
        )
    path = soundfont()
    try:
        data = midirenderer.render_wave_from(path.read_bytes(), midi_bytes(score))
    except Exception as error:  # midirenderer has no documented exceptions
        raise MusegenError(
            f"cannot render with the SoundFont {path}: {error}. "
            "Set MUSEGEN_SOUNDFONT to a .sf2 file."
        ) from error
    with wave.open(io.BytesIO(data)) as file:
        rate, frames = file.getframerate(), file.readframes(file.getnframes())
    samples = np.frombuffer(frames, "<i2").reshape(-1, 2).astype(np.float32)
    samples *= 2.0**-15
    return samples if rate == sample_rate else resampled(samples, rate, sample_rate)


def soundfont() -> Path:
    """Return the path of the SoundFont: `$MUSEGEN_SOUNDFONT`, or the small one in pretty_midi.

    Raises:
        MusegenError: There is none.
    """
    given = os.environ.get("MUSEGEN_SOUNDFONT")
    spec = find_spec("pretty_midi")
    packaged = Path(spec.origin or "").parent / "TimGM6mb.sf2" if spec else Path()
    path = Path(given).expanduser() if given else packaged
    if not path.is_file():
        raise MusegenError(
            f"expected a SoundFont at {path}; there is none. Set MUSEGEN_SOUNDFONT to a .sf2 file."
        )
    return path


def resampled(samples: NDArray[np.float32], rate: int, wanted: int) -> NDArray[np.float32]:
    """Return samples at another rate, by a polyphase filter: a sinc with a raised-cosine window.

    Each new sample is a weighted sum of the old ones around it; the filter cuts what is above half
    the lower rate. The weights repeat every `wanted / gcd(rate, wanted)` samples, so that there is
    one pass for each of these phases.

    Args:
        samples: `float32[n, 2]`.
        rate: Samples per second.
        wanted: Samples per second in the result.
    """
    common = math.gcd(rate, wanted)
    up, down = wanted // common, rate // common
    cutoff = ROLL_OFF * min(1.0, wanted / rate)
    reach = math.ceil(ZERO_CROSSINGS / cutoff)
    out = np.zeros((-(-len(samples) * up // down), 2), np.float32)
    padded = np.pad(samples, ((reach, reach + down), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach, axis=0)
    for phase in range(min(up, len(out))):
        whole, rest = divmod(phase * down, up)
        distance = np.arange(1 - reach, reach + 1) - rest / up
        weights = cutoff * np.sinc(cutoff * distance) * np.cos(np.pi * distance / (2 * reach)) ** 2
        rows = out[phase::up]
        rows[:] = windows[whole + 1 :: down][: len(rows)] @ weights.astype(np.float32)
    return out
