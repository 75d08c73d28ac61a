"""Music to tokens and back: the part of musegen that people import in notebooks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musegen.config import EncoderConfig, require
from musegen.encoding import metric, performance
from musegen.encoding.bulk import Encoded, bundled, encode_files, load
from musegen.encoding.bundle import Bundle, Unencodable
from musegen.encoding.events import Events
from musegen.encoding.marks import token_marks
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.errors import EncodingError, MusegenError
from musegen.score import Score, display
from musegen.score.midi import MidiSource
from musegen.score.reading import read
from musegen.utils.deprecation import replacement
from musegen.utils.files import atomic_path, refuse_to_overwrite

if TYPE_CHECKING:
    from musegen.encoding.report import Report

__all__ = ["Encoder"]

FORMAT = 1  # of saved settings
TOKENS_AT_ONCE = 65_536  # decoded together: more would not fit in a processor's cache


class Codec(NamedTuple):
    quantise: Callable[[Bundle, Vocabulary], Bundle]
    encode: Callable[[Bundle, Vocabulary], tuple[Tokens, NDArray[np.int64]]]
    decode: Callable[[Tokens, NDArray[np.int64], Vocabulary], Bundle]


_CODECS = {
    "metric": Codec(metric.quantise, metric.encode, metric.decode),
    "performance": Codec(performance.quantise, performance.encode, performance.decode),
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
    >>> print(", ".join(str(event) for event in encoder.events(encoder.encode(tune))[:7]))
    start, velocity 22, note_on 60, time_shift 50, note_off 60, note_on 62, time_shift 25

    Args:
        config: The encoding; metric with the defaults of `EncoderConfig` if left out.
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
        """Show the settings and the vocabulary's size."""
        return f"Encoder({self.config}, {len(self.vocabulary)} tokens)"

    def quantise(self, source: MidiSource) -> Score:
        """Return what this encoding keeps of the music: the score that `decode(encode(source))` gives.

        Raises:
            MidiError: `source` cannot be read.
            EncodingError: It has more tracks than the encoding has parts.
        """
        return self._quantised(source).scores()[0]

    def encode(self, source: MidiSource) -> Tokens:
        """Return the tokens of a piece, `int32[T]`, from `start` to `end`.

        Args:
            source: A path to a MIDI file or to written music (MusicXML, ABC), the bytes of a MIDI
                file, a `Score`, `PrettyMIDI`, `mido.MidiFile`, `symusic` score or music21 stream.

        Raises:
            MidiError: `source` cannot be read.
            EncodingError: It has more tracks than the encoding has parts.
        """
        return self.codec.encode(self._quantised(source), self.vocabulary)[0]

    def report(self, source: MidiSource) -> Report:
        """Return what this encoding would lose on a piece, and which settings would lose less.

        A piece that the encoding cannot carry has a report, too, which says why.

        >>> from musegen import Score, Track
        >>> late = Score(notes=[(0, 480, 60, 90, 0), (490, 480, 62, 90, 0)], tracks=[Track()])
        >>> print(Encoder().report(late).onset.ms)
        Spread(mean=5.208333, median=5.208333, max=10.416667)

        Args:
            source: As for `encode`. What a file holds beside its music is counted where it is a
                path or bytes.

        Raises:
            MidiError: `source` cannot be read.
        """
        from musegen.encoding.report import diagnose  # which composing need not wait for

        return diagnose(source, self)

    def encode_files(self, paths: Iterable[str | Path], *, workers: int = 1) -> Iterator[Encoded]:
        """Encode many files, several times as fast as one by one.

        >>> for path, tokens, error in Encoder().encode_files(["missing.mid"]):
        ...     print(f"{path}: {len(tokens)} tokens, {type(error).__name__}")
        missing.mid: 0 tokens, MidiError

        Results come while the work goes on, in the order of `paths`, and nothing but some hundreds
        of files is ever held. A file that cannot be read or carried is a result with an `error`,
        and stops nothing.

        Args:
            paths: MIDI files or written music; taken as they are needed.
            workers: Processes to share the work. With more than one, a script must keep what it
                does behind `if __name__ == "__main__":`, and a file that crashes the reader costs
                one result.

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
        """Return the columns of anything `encode` takes, as this encoding keeps them."""
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
        """Return the music of tokens, `int[T]`; any prefix of an encoding will do.

        Raises:
            EncodingError: An id is not in the vocabulary, or an event stands where it cannot.
        """
        return self.decode_many([tokens])[0]

    def decode_many(self, sequences: Iterable[NDArray[Any]]) -> list[Score]:
        """Return the music of many sequences of tokens, several times as fast as one by one.

        Args:
            sequences: `int[T]` each, as for `decode`.

        Raises:
            EncodingError: An id is not in the vocabulary, or an event stands where it cannot.
        """
        sequences = [np.asarray(tokens) for tokens in sequences]
        nothing = self.codec.quantise(Bundle.of([Score()]), self.vocabulary).scores()[0]
        scores = [nothing] * len(sequences)
        whole = [index for index, tokens in enumerate(sequences) if tokens.size]
        for some in _runs(whole, [sequences[index].size for index in whole], TOKENS_AT_ONCE):
            tokens, starts = self.vocabulary.joined([sequences[index] for index in some])
            for index, score in zip(
                some, self.codec.decode(tokens, starts, self.vocabulary).scores(), strict=True
            ):
                scores[index] = score
        return scores

    def events(self, tokens: NDArray[Any]) -> Events:
        """Return what each token means: a list that prints itself with a line for each moment.

        Raises:
            EncodingError: An id is not in the vocabulary.
        """
        return Events(map(self.vocabulary.event, self.vocabulary.ids(tokens).tolist()))

    @classmethod
    def from_checkpoint(cls, name_or_path: str | Path) -> Encoder:
        """Return the encoder of a checkpoint. Deprecated: use `musegen.load(name_or_path).encoder`."""
        load = replacement("Encoder.from_checkpoint(name)", "musegen.load(name).encoder", "load")
        encoder: Encoder = load(name_or_path).encoder
        return encoder

    def draw(self, source: MidiSource) -> display.Picture:
        """Draw a piano roll with the tokens below: one SVG, less than 50,000 bytes in UTF-8.

        A notebook shows it as a picture. If the encoding cannot carry the music, the picture says
        why.

        Args:
            source: As for `encode`; the encoding must be metric.

        Raises:
            MidiError: `source` cannot be read.
            ConfigError: The encoding is not metric.
        """
        require(
            self.config.encoding == "metric",
            "tokens are drawn of the metric encoding",
            self.config.encoding,
            "Use Encoder().draw(music).",
        )
        score = read(source)
        try:
            return display.svg(score, token_marks(score, self))
        except MusegenError as error:
            return display.svg(score, notice=f"No tokens: {error}")

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the settings as JSON.

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
            EncodingError: It is not such a file, or a version of musegen with another vocabulary
                wrote it.
            ConfigError: It holds settings that are unknown or out of range.
        """
        try:
            settings = json.loads(Path(path).read_text())
            format_number, config, fingerprint = (
                settings[key] for key in ("format", "encoder", "vocabulary")
            )
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
        """Draw the settings and the table of events for a notebook."""
        first, blocks = self.vocabulary.first, self.vocabulary.blocks
        rows = "".join(
            f"<tr><td>{kind}</td><td>{first[kind]}&nbsp;–&nbsp;{first[kind] + size - 1}</td><td>{size}</td></tr>"
            for kind, size in blocks.items()
        )
        settings = ", ".join(f"{name}={value!r}" for name, value in self.config.to_dict().items())
        return (
            f"<b>Encoder</b>: {len(self.vocabulary)} tokens<br><small>{escape(settings)}</small>"
            f"<table><tr><th>event</th><th>tokens</th><th>number</th></tr>{rows}</table>"
        )


def _runs(items: list[int], sizes: list[int], most: int) -> Iterator[list[int]]:
    """Yield the items in runs whose sizes sum to about `most`."""
    run, total = [], 0
    for item, size in zip(items, sizes, strict=True):
        run.append(item)
        total += size
        if total >= most:
            yield run
            run, total = [], 0
    if run:
        yield run
