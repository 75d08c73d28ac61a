"""Convert music to tokens and back: the interface for scripts and notebooks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musegen.config import EncoderConfig, require
from musegen.encoding import metric, performance
from musegen.encoding.bulk import Encoded, bundled, encode_files, load
from musegen.encoding.bundle import Bundle, Unencodable
from musegen.encoding.events import Events
from musegen.encoding.marks import token_marks
from musegen.encoding.report import Report, diagnose
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.errors import EncodingError, MusegenError
from musegen.score import Score, display
from musegen.score.midi import MidiSource
from musegen.score.reading import read
from musegen.utils.deprecation import replacement
from musegen.utils.files import atomic_path, refuse_to_overwrite

__all__ = ["Encoder"]

FORMAT = 1  # of saved settings
TOKENS_AT_ONCE = 65_536  # decoded together, so that the arrays fit in the processor's cache


class Codec(NamedTuple):
    """The functions of an encoding."""

    quantise: Callable[[Bundle, Vocabulary], Bundle]
    encode: Callable[[Bundle, Vocabulary], tuple[Tokens, NDArray[np.int64]]]
    decode: Callable[[Tokens, NDArray[np.int64], Vocabulary], Bundle]


_CODECS = {
    "metric": Codec(metric.quantise, metric.encode, metric.decode),
    "performance": Codec(performance.quantise, performance.encode, performance.decode),
}


class Encoder:
    """Converts music to event tokens and tokens to music.

    `decode(encode(x)) == quantise(x)` for any music x; `quantise` returns what the encoding keeps.

    A quarter and two eighths for one violin, without velocities and tempos:

    >>> from musegen import Encoder, EncoderConfig, Score, Track
    >>> tune = Score(notes=[(0, 480, 60, 90, 0), (480, 240, 62, 90, 0), (720, 240, 64, 90, 0)],
    ...              tracks=[Track("Violin", program=40)], end=1920)
    >>> encoder = Encoder(EncoderConfig(velocities=0, tempos=0))
    >>> print(", ".join(str(event) for event in encoder.events(encoder.encode(tune))))
    start, bar, time_signature 4/4, position 0, part 0, program 40, pitch 60, duration 12, \
position 12, pitch 62, duration 6, position 18, pitch 64, duration 6, end

    The same as a performance:

    >>> encoder = Encoder(EncoderConfig(encoding="performance"))
    >>> print(", ".join(str(event) for event in encoder.events(encoder.encode(tune))[:7]))
    start, velocity 22, note_on 60, time_shift 50, note_off 60, note_on 62, time_shift 25

    Args:
        config: The settings; by default the metric encoding with the defaults of `EncoderConfig`.

    Attributes:
        config: The settings.
        vocabulary: The table of events and tokens.
        codec: The functions of the encoding.
    """

    def __init__(self, config: EncoderConfig | None = None) -> None:
        """Build the vocabulary.

        Raises:
            ConfigError: `config` is not an `EncoderConfig`.
        """
        self.config = EncoderConfig() if config is None else config
        require(
            isinstance(self.config, EncoderConfig),
            "an encoder's settings must be an EncoderConfig",
            config,
            "Use Encoder(EncoderConfig(encoding='performance')), for example.",
        )
        self.vocabulary = Vocabulary(self.config)
        self.codec = _CODECS[self.config.encoding]

    def __repr__(self) -> str:
        """Show the settings and the size of the vocabulary."""
        return f"Encoder({self.config}, {len(self.vocabulary)} tokens)"

    def quantise(self, source: MidiSource) -> Score:
        """Return what the encoding keeps of the music, which `decode(encode(source))` equals.

        >>> from musegen import Score, Track
        >>> late = Score(notes=[(7, 480, 60, 90, 0)], tracks=[Track("Flute")])
        >>> Encoder().quantise(late).notes.tolist()  # in steps; 90 is the middle of its bin
        [(0, 12, 60, 90, 0)]

        Args:
            source: As for `encode`.

        Raises:
            MidiError: `source` cannot be read.
            EncodingError: It has more tracks than the encoding has parts, or it is too long.
        """
        return self._quantised(source).scores()[0]

    def encode(self, source: MidiSource) -> Tokens:
        """Return the tokens of a piece, `int32[T]`, from `start` to `end`.

        >>> from musegen import Score, Track
        >>> tune = Score(notes=[(0, 480, 60, 90, 0)], tracks=[Track()])
        >>> encoder = Encoder(EncoderConfig(encoding="performance"))
        >>> encoder.encode(tune)
        array([388, 378,  60, 305, 188, 389], dtype=int32)

        Args:
            source: The path of a MIDI file or a score (MusicXML, ABC), the bytes of a MIDI file, a
                `Score`, `PrettyMIDI`, `mido.MidiFile`, `symusic` score or music21 stream.

        Raises:
            MidiError: `source` cannot be read.
            EncodingError: It has more tracks than the encoding has parts, or it is too long.
        """
        return self.codec.encode(self._quantised(source), self.vocabulary)[0]

    def report(self, source: MidiSource) -> Report:
        """Return what the encoding loses on a piece, and which settings would lose less.

        If the piece cannot be encoded, the report has the reason.

        >>> from musegen import Score, Track
        >>> late = Score(notes=[(0, 480, 60, 90, 0), (490, 480, 62, 90, 0)], tracks=[Track()])
        >>> print(Encoder().report(late).onset.ms)
        Spread(mean=5.208333, median=5.208333, max=10.416667)

        Args:
            source: As for `encode`. Events that no encoding carries are counted only in MIDI files
                and bytes.

        Raises:
            MidiError: `source` cannot be read.
        """
        return diagnose(source, self)

    def encode_files(self, paths: Iterable[str | Path], *, workers: int = 1) -> Iterator[Encoded]:
        """Encode many files, several times as fast as one by one.

        >>> for path, tokens, error in Encoder().encode_files(["missing.mid"]):
        ...     print(f"{path}: {len(tokens)} tokens, {type(error).__name__}")
        missing.mid: 0 tokens, MidiError

        Results are yielded while the work goes on, in the order of `paths`; at most a few hundred
        files are in memory at once. A file that cannot be read or encoded yields a result with an
        `error`, and the others go on.

        Args:
            paths: MIDI files or scores; consumed as needed.
            workers: Number of processes. With more than one, a script must protect its main code
                with `if __name__ == "__main__":`, and a file that crashes the reader yields an
                error.

        Yields:
            `(path, tokens, error)`: `int32[T]` and None, or no tokens and the `MidiError` or
            `EncodingError`.

        Raises:
            ConfigError: `workers` is not at least 1, or `paths` is one path.
        """
        require(
            not isinstance(paths, str | bytes | Path),
            "paths must be a list or another iterable of paths",
            paths,
            "For one file use encode(path).",
        )
        require(workers >= 1, "workers must be >= 1", workers, "Use os.cpu_count() for all cores.")
        return encode_files(paths, self, workers)

    def _quantised(self, source: Any) -> Bundle:
        """Return the quantised columns of anything that `encode` takes."""
        is_path = isinstance(source, str | Path)
        if is_path:
            bundle = bundled([load(source, pedals=self.config.encoding == "performance")])
        else:
            bundle = Bundle.of([read(source)])
        try:
            return self.codec.quantise(bundle, self.vocabulary)
        except Unencodable as error:
            raise EncodingError(f"{source}: {error}" if is_path else str(error)) from None

    def decode(self, tokens: NDArray[Any]) -> Score:
        """Return the music of tokens, `int[T]`: an encoding, or any prefix of one.

        >>> encoder = Encoder(EncoderConfig(encoding="performance"))
        >>> encoder.decode(np.array([388, 378, 60, 305, 188])).notes.tolist()  # 100 ticks a second
        [(0, 50, 60, 90, 0)]

        Raises:
            EncodingError: An id is not in the vocabulary, or an event cannot be where it is.
        """
        return self.decode_many([tokens])[0]

    def decode_many(self, sequences: Iterable[NDArray[Any]]) -> list[Score]:
        """Return the music of many sequences of tokens, several times as fast as one by one.

        >>> encoder = Encoder(EncoderConfig(encoding="performance"))
        >>> [len(score) for score in encoder.decode_many([[388, 60, 305], [388, 389]])]
        [1, 0]

        Args:
            sequences: `int[T]` each, as for `decode`.

        Raises:
            EncodingError: An id is not in the vocabulary, or an event cannot be where it is.
        """
        sequences = [np.asarray(tokens) for tokens in sequences]
        filled = [index for index, tokens in enumerate(sequences) if tokens.size]
        sizes = [sequences[index].size for index in filled]
        scores: dict[int, Score] = {}
        for run in _runs(filled, sizes, TOKENS_AT_ONCE):
            tokens, starts = self.vocabulary.joined([sequences[index] for index in run])
            decoded = self.codec.decode(tokens, starts, self.vocabulary).scores()
            scores.update(zip(run, decoded, strict=True))
        if len(filled) < len(sequences):
            empty = self.codec.quantise(Bundle.of([Score()]), self.vocabulary).scores()[0]
            scores = dict.fromkeys(range(len(sequences)), empty) | scores
        return [scores[index] for index in range(len(sequences))]

    def events(self, tokens: NDArray[Any]) -> Events:
        """Return the events of tokens, `int[T]`: a list that prints one line for each moment.

        >>> print(Encoder(EncoderConfig(encoding="performance")).events([388, 60, 305, 188]))
        start, note_on 60
          time_shift 50, note_off 60

        Raises:
            EncodingError: An id is not in the vocabulary.
        """
        return Events(map(self.vocabulary.event, self.vocabulary.ids(tokens).tolist()))

    @classmethod
    def from_checkpoint(cls, name_or_path: str | Path) -> Encoder:
        """Return the encoder of a checkpoint.

        Deprecated: use `musegen.load(name_or_path).encoder`.
        """
        load = replacement("Encoder.from_checkpoint(name)", "musegen.load(name).encoder", "load")
        encoder: Encoder = load(name_or_path).encoder
        return encoder

    def draw(self, source: MidiSource) -> display.Picture:
        """Draw a piano roll above its tokens: one SVG, less than 50,000 bytes in UTF-8.

        A notebook shows it as a picture. If the music cannot be encoded, the picture has the
        reason.

        >>> from musegen import Score, Track
        >>> tune = Score(notes=[(0, 480, 60, 90, 0)], tracks=[Track()])
        >>> Encoder().draw(tune)._repr_html_()[:4]
        '<svg'

        Args:
            source: As for `encode`; the encoding must be metric.

        Raises:
            MidiError: `source` cannot be read.
            ConfigError: The encoding is not metric.
        """
        require(
            self.config.encoding == "metric",
            "tokens can be drawn only in the metric encoding",
            self.config.encoding,
            "Use Encoder().draw(music).",
        )
        score = read(source)
        try:
            return display.svg(score, token_marks(score, self))
        except MusegenError as error:
            return display.svg(score, notice=f"No tokens: {error}")

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the settings as JSON, for `load`.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     Encoder(EncoderConfig(parts=4)).save(Path(folder) / "encoder.json")
        ...     Encoder.load(Path(folder) / "encoder.json").config.parts
        4

        Raises:
            MusegenError: `path` exists and `force` is false, or it cannot be written.
        """
        refuse_to_overwrite(Path(path), force)
        settings = {
            "format": FORMAT,
            "encoder": self.config.to_dict(),
            "vocabulary": self.vocabulary.fingerprint,
        }
        with atomic_path(Path(path)) as temporary:
            temporary.write_text(json.dumps(settings, indent=2) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> Encoder:
        """Return the encoder that `save` wrote.

        Raises:
            EncodingError: It is not such a file, or it was written by a version of musegen with
                another vocabulary.
            ConfigError: It has settings that are unknown or out of range.
        """
        try:
            settings = json.loads(Path(path).read_text())
            keys = ("format", "encoder", "vocabulary")
            format_number, config, fingerprint = (settings[key] for key in keys)
            config = dict(config)
        except (OSError, ValueError, KeyError, TypeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is something else"
            raise EncodingError(
                f"expected a file that Encoder.save wrote. Received: {path} ({why}). Save it again."
            ) from error
        encoder = cls(EncoderConfig.from_dict(config))
        if format_number != FORMAT or encoder.vocabulary.fingerprint != fingerprint:
            raise EncodingError(
                f"{path} was written by a version of musegen with another vocabulary. "
                "Use that version, or save it again."
            )
        return encoder

    def _repr_html_(self) -> str:
        """Show the settings and the table of events in a notebook."""
        rows = ""
        for kind, size in self.vocabulary.blocks.items():
            first = self.vocabulary.first[kind]
            tokens = f"{first}&nbsp;–&nbsp;{first + size - 1}"
            rows += f"<tr><td>{kind}</td><td>{tokens}</td><td>{size}</td></tr>"
        settings = ", ".join(f"{name}={value!r}" for name, value in self.config.to_dict().items())
        return (
            f"<b>Encoder</b>: {len(self.vocabulary)} tokens<br><small>{escape(settings)}</small>"
            f"<table><tr><th>event</th><th>tokens</th><th>number</th></tr>{rows}</table>"
        )


def _runs(items: list[int], sizes: list[int], most: int) -> Iterator[list[int]]:
    """Yield the items in runs whose sizes sum to about `most`."""
    run: list[int] = []
    total = 0
    for item, size in zip(items, sizes, strict=True):
        run.append(item)
        total += size
        if total >= most:
            yield run
            run, total = [], 0
    if run:
        yield run
