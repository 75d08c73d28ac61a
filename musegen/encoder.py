"""Music to tokens and back: the part of musegen that people import in notebooks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musegen import metric, notation, performance
from musegen.config import EncoderConfig
from musegen.errors import EncodingError
from musegen.midi import MidiSource, read
from musegen.score import Score
from musegen.vocabulary import Event, Tokens, Vocabulary

__all__ = ["Encoder"]


class _Codec(NamedTuple):
    quantise: Callable[[Score, Vocabulary], Score]
    encode: Callable[[Score, Vocabulary], Tokens]
    decode: Callable[[Tokens, Vocabulary], Score]


_CODECS = {
    "metric": _Codec(metric.quantise, metric.encode, metric.decode),
    "performance": _Codec(performance.quantise, performance.encode, performance.decode),
}


class Encoder:
    """Turns music into event tokens and tokens into music.

    `decode(encode(x)) == quantise(x)` for any music x; `quantise` says what the encoding keeps.

    A quarter and two eighths on one violin, with the defaults but loudness and tempo left out:

    >>> from musegen import Encoder, EncoderConfig, Score, Track
    >>> tune = Score(notes=[(0, 480, 60, 90, 0), (480, 240, 62, 90, 0), (720, 240, 64, 90, 0)],
    ...              tracks=[Track("Violin", program=40)], end=1920)
    >>> encoder = Encoder(EncoderConfig(velocities=0, tempos=0))
    >>> print(", ".join(str(event) for event in encoder.events(encoder.encode(tune))))
    start, bar, time_signature 4/4, position 0, part 0, program 40, pitch 60, duration 12, \
position 12, pitch 62, duration 6, position 18, pitch 64, duration 6, end

    The same, as a performance:

    >>> encoder = Encoder(EncoderConfig(encoding="performance"))
    >>> print(", ".join(str(event) for event in encoder.events(encoder.encode(tune))[:8]))
    start, velocity 22, note_on 60, time_shift 50, note_off 60, note_on 62, time_shift 25, note_off 62

    Args:
        config: The encoding; metric with the defaults of `EncoderConfig` if left out.
    """

    def __init__(self, config: EncoderConfig | None = None) -> None:
        """Build the vocabulary."""
        self.config = config or EncoderConfig()
        self.vocabulary = Vocabulary(self.config)
        self._codec = _CODECS[self.config.encoding]

    def __repr__(self) -> str:
        """Show the settings and the vocabulary's size."""
        return f"Encoder({self.config}, {len(self.vocabulary)} tokens)"

    def quantise(self, source: MidiSource) -> Score:
        """Return what this encoding keeps of the music: the score that `decode(encode(source))` gives.

        Raises:
            MidiError: `source` cannot be read.
            EncodingError: It has more tracks than the encoding has parts.
        """
        return self._codec.quantise(_read(source), self.vocabulary)

    def encode(self, source: MidiSource) -> Tokens:
        """Return the tokens of a piece, `int32[T]`, from `start` to `end`.

        Args:
            source: A path to a MIDI file or to written music (MusicXML, ABC), the bytes of a MIDI file,
                a `Score`, `PrettyMIDI`, `mido.MidiFile`, `symusic` score or music21 stream.

        Raises:
            MidiError: `source` cannot be read.
            EncodingError: It has more tracks than the encoding has parts.
        """
        return self._codec.encode(self.quantise(source), self.vocabulary)

    def decode(self, tokens: NDArray[Any]) -> Score:
        """Return the music of tokens, `int[T]`; any prefix of an encoding will do.

        Raises:
            EncodingError: An id is not in the vocabulary, or an event stands where it cannot.
        """
        checked = self.vocabulary.check(tokens)
        try:
            return self._codec.decode(checked, self.vocabulary)
        except ValueError as error:  # tokens in legal order that still describe no music
            raise EncodingError(f"these tokens are not music: {error}") from error

    def events(self, tokens: NDArray[Any]) -> list[Event]:
        """Return what each token means."""
        return [self.vocabulary.event(int(token)) for token in np.asarray(tokens)]


def _read(source: Any) -> Score:
    """Return the score of anything `encode` takes; music21 has many classes, so it is told by package."""
    if type(source).__module__.startswith("music21."):
        return notation.from_music21(source)
    if isinstance(source, str | Path) and Path(source).suffix.lower() in notation.NOTATION_SUFFIXES:
        return notation.load_notation(source)
    return read(source)
