"""Encode files as rows of a store: the work of one process."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musegen.data.store.entries import SAME, STATUSES, Columns, Outcome, among, joined, table
from musegen.data.store.likeness import melodies, signatures
from musegen.data.store.shards import Shards
from musegen.data.store.walking import MusicFile
from musegen.encoding import bulk
from musegen.encoding.bundle import Bundle
from musegen.encoding.encoder import Encoder
from musegen.encoding.normalise import close_all_gaps, pad_pickups
from musegen.errors import EncodingError, MidiError, MusegenError
from musegen.score import Score
from musegen.score.midi import parse
from musegen.score.midi.reading import MAX_BYTES
from musegen.score.notation import file_of, is_notation, load_notation, read_tune

__all__ = ["Job", "contents", "crashed", "encode"]

LONGEST_NAME = 100  # characters kept of a track name: some files put a whole text there
STEPS_PER_TOKEN = 100  # of a performance: the longest time shift


class Job(NamedTuple):
    """The settings that all files of a run share."""

    encoder: Encoder
    max_tokens: int
    store: Path
    shards: tuple[int, ...]
    """The shards present when the run began; their content is not encoded again."""


class _TooLong(EncodingError):
    """A file has more tokens than are kept, or needs more memory than is allowed."""


class _Stored(MusegenError):
    """The store has the content of a file already."""


def encode(job: Job, files: Sequence[MusicFile]) -> Columns:
    """Return one row for each file, in order, whatever the files contain."""
    try:
        rows = _Rows(job, files)
        for group in bulk.groups(rows.loaded()):
            rows.encode(bulk.quantised(group, job.encoder, rows.prepared))
        return table([rows.outcomes[file.path] for file in files])
    except Exception as error:
        # Out of memory, or a bug that one file reveals: it must not stop the other files.
        if len(files) > 1:
            return joined([encode(job, [file]) for file in files])
        why = f"it cannot be encoded, which should not happen: {type(error).__name__}: {error}"
        return table([crashed(files[0], why)])


def crashed(
    file: MusicFile,
    why: str = "the process that read it died. It is most likely damaged: export it again.",
) -> Outcome:
    """Return the row of a file that crashed its reader."""
    try:
        sha256 = _sha256(file.path, _content(file)) if not file.problem else b""
    except MusegenError:
        sha256 = b""
    return Outcome(file.identity, _text(file.name), sha256, reason=_text(why))


@lru_cache(maxsize=1)
def contents(store: Path, numbers: tuple[int, ...]) -> NDArray[np.bytes_]:
    """Return the SHA-256 of all content in some shards, `S32[...]`, ascending."""
    shards = Shards(store)
    parts = [np.zeros(0, "S32")]
    for number in numbers:
        sha256, status = shards.columns(number, "sha256", "status")
        parts.append(sha256[(status != SAME) & (sha256 != b"")])
    return np.sort(np.concatenate(parts))


class _Rows:
    """Collects the rows of some files.

    Attributes:
        outcomes: The rows made so far, by path.
    """

    def __init__(self, job: Job, files: Sequence[MusicFile]) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self._job = job
        self._files = {file.path: file for file in files}
        self._sha256: dict[str, bytes] = {}
        self._stored = contents(job.store, job.shards)

    def loaded(self) -> Iterator[tuple[str | Path, Any]]:
        """Yield the path and the music of each file that can be read; the others get their rows."""
        for file in self._files.values():
            try:
                source = self._load(file)
            except MusegenError as error:
                self._fail(file.path, error)
            else:
                yield file.path, source

    def _load(self, file: MusicFile) -> Any:
        if file.problem:
            raise MidiError(file.problem)
        data = _content(file)
        sha256 = _sha256(file.path, data)
        self._sha256[file.path] = sha256
        if among(np.array([sha256], "S32"), self._stored)[0]:
            raise _Stored
        if is_notation(file.path):
            return load_notation(file.path)
        source = parse(data, file.path)
        notes = len(source) if isinstance(source, Score) else sum(source.counts)
        if notes > self._job.max_tokens:
            most = f"{self._job.max_tokens:,} tokens that are kept"
            raise _TooLong(f"{notes:,} notes, which make more than the {most}")
        return source

    def prepared(self, bundle: Bundle) -> Bundle:
        """Normalise pieces as a composer does its primer: note values as written, whole bars."""
        if self._job.encoder.config.encoding == "metric":
            bundle = close_all_gaps(bundle)
        return pad_pickups(bundle)

    def encode(self, batch: bulk.Batch) -> None:
        """Make the rows of a quantised batch."""
        for path, error in batch.errors.items():
            self._fail(str(path), error)
        if not batch.paths or self._fails_as_long(batch):
            return
        encoder, bundle = self._job.encoder, batch.bundle
        tokens, starts = encoder.codec.encode(bundle, encoder.vocabulary)
        melody, lengths = melodies(bundle)
        columns = zip(
            map(str, batch.paths),
            np.bincount(bundle.notes.piece, minlength=len(starts)).tolist(),
            signatures(bundle).tolist(),
            map(_tracks, batch.scores),
            np.split(melody, np.cumsum(lengths)[:-1]),
            np.split(tokens.astype(np.uint16), starts[1:]),
            strict=True,
        )
        for path, notes, signature, tracks, line, own in columns:
            if not notes:
                self._add(path, "empty", reason=b"no notes in it that the encoding carries")
            elif len(own) > self._job.max_tokens:
                self._fail(path, self._too_long(len(own)))
            else:
                music = {"notes": notes, "signature": signature, "tracks": tracks}
                self._add(path, "kept", **music, melody=line, tokens=own)

    def _fails_as_long(self, batch: bulk.Batch) -> bool:
        """Leave out a very long performance before its time shifts fill memory."""
        end = int(batch.bundle.end[0])
        is_played = self._job.encoder.config.encoding == "performance"
        is_long = end > STEPS_PER_TOKEN * self._job.max_tokens
        if not (is_played and is_long and len(batch.paths) == 1):
            return False
        self._fail(str(batch.paths[0]), self._too_long(end // STEPS_PER_TOKEN))
        return True

    def _too_long(self, tokens: int) -> _TooLong:
        return _TooLong(f"{tokens:,} tokens; at most {self._job.max_tokens:,} are kept")

    def _fail(self, path: str, error: MusegenError) -> None:
        """Make the row of a file that has no tokens."""
        status = "broken"
        if isinstance(error, _Stored):
            status = "same"
        elif isinstance(error, _TooLong):
            status = "too long"
        elif isinstance(error, EncodingError):
            status = "unencodable"
        self._add(
            path, status, reason=_text(str(error).removeprefix(f"{path}: ").replace(path, "it"))
        )

    def _add(self, path: str, status: str, **more: Any) -> None:
        file = self._files[path]
        number = SAME if status == "same" else STATUSES.index(status)
        sha256 = self._sha256.get(path, b"")
        self.outcomes[path] = Outcome(file.identity, _text(file.name), sha256, number, **more)


def _content(file: MusicFile) -> bytes:
    """Return the content of a file.

    Raises:
        MusegenError: It cannot be read, or is too large.
    """
    if file.size > MAX_BYTES:
        raise _TooLong(f"{file.size:,} bytes; at most {MAX_BYTES:,} are read")
    if file_of(file.path) != Path(file.path):
        return read_tune(file.path).text.encode()
    try:
        with Path(file.path).open("rb", buffering=0) as opened:
            return opened.read()
    except OSError as error:
        raise MidiError(f"it cannot be opened: {error.strerror or error}") from error


def _sha256(path: str, data: bytes) -> bytes:
    """Return a hash of a file's content; that of notation includes the suffix, its format."""
    salt = file_of(path).suffix.lower().encode() if is_notation(path) else b""
    return hashlib.sha256(data + salt).digest()


def _tracks(source: Any) -> bytes:
    """Return a line for each track: program, 1 for drums, name."""
    lines = [f"{t.program} {t.is_drum:d} {t.name[:LONGEST_NAME]}" for t in source.tracks]
    return _text("\n".join(line.replace("\n", " ") for line in lines))


def _text(text: str) -> bytes:
    return text.encode(errors="backslashreplace")
