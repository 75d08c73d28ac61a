"""Files to rows of a store: what a worker process does."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musegen.data.store.entries import KEPT, SAME, STATUSES, Entries, Outcome, joined, table
from musegen.data.store.likeness import melodies, signatures
from musegen.data.store.shards import Shards
from musegen.data.store.walking import Found, is_notation
from musegen.encoding import bulk
from musegen.encoding.bundle import Bundle
from musegen.encoding.encoder import Encoder
from musegen.encoding.normalise import close_all_gaps, pad_pickups
from musegen.errors import EncodingError, MidiError, MusegenError
from musegen.score.midi import parse
from musegen.score.midi.reading import MAX_BYTES
from musegen.score.notation import load_notation

__all__ = ["Job", "contents", "crashed", "encode"]

# Quarters; a longer piece is encoded by itself: of some hundreds such, the bars alone could fill
# memory
FAR = 4096
_IS_FAR = "to be encoded by itself"
LONGEST_NAME = 100  # characters of a track's name that are kept: some hold a whole text
STEPS_PER_TOKEN = 100  # performance: at least so many time shifts must there be


class Job(NamedTuple):
    """What all files of a run have in common."""

    encoder: Encoder
    max_tokens: int
    store: Path
    shards: tuple[int, ...]
    """The shards that there were when the run began: what is in them is not encoded again."""


class _TooLong(EncodingError):
    """A file that would make more tokens than are wanted, or take more memory than there may be."""


class _Known(MusegenError):
    """A file whose content the store has."""


def encode(job: Job, files: Sequence[Found]) -> Entries:
    """Return the rows of some files, in order. Whatever is in them, there is a row for each."""
    try:
        reader = _Reader(job, files)
        done = reader.outcomes(list(reader.files))
        for path in reader.far:
            done |= reader.outcomes([path])
        return table([done[file.path] for file in files])
    except Exception as error:
        # Memory, or a fault of ours that one file brings to light: it must not stop the others
        if len(files) > 1:
            return joined([encode(job, [file]) for file in files])
        why = f"it cannot be encoded, which should not happen: {type(error).__name__}: {error}"
        return table([crashed(files[0], why)])


def crashed(
    file: Found,
    why: str = "the process that read it died. It is most likely damaged: export it again.",
) -> Outcome:
    """Return the row of a file that could not be worked on."""
    try:
        sha256 = _sha256(file.path, _content(file)) if not file.problem else b""
    except MusegenError:
        sha256 = b""
    return Outcome(file.identity, _text(file.name), sha256, reason=_text(why))


@lru_cache(maxsize=1)
def contents(store: Path, numbers: tuple[int, ...]) -> NDArray[np.bytes_]:
    """Return the SHA-256 of everything that some shards hold, `S32[...]`, ascending."""
    shards = Shards(store)
    parts = [np.zeros(0, "S32")]
    for number in numbers:
        sha256, status = shards.columns(number, "sha256", "status")
        parts.append(sha256[(status != SAME) & (sha256 != b"")])
    return np.sort(np.concatenate(parts))


class _Reader:
    """Some files on their way to rows."""

    def __init__(self, job: Job, files: Sequence[Found]) -> None:
        self.job = job
        self.files = {file.path: file for file in files}
        self.far: list[str] = []
        self._sha256: dict[str, bytes] = {}
        self._known = contents(job.store, job.shards)

    def outcomes(self, paths: list[str]) -> dict[str, Outcome]:
        done: dict[str, Outcome] = {}
        for batch in bulk.batches(paths, self.job.encoder, self._prepared, self._load):
            for path, error in batch.errors.items():
                if str(error).endswith(_IS_FAR):
                    self.far.append(str(path))
                else:
                    done[str(path)] = self._failed(str(path), error)
            if batch.paths:
                done |= self._encoded(batch)
        return done

    def _load(self, path: str | Path) -> Any:
        file = self.files[str(path)]
        if file.problem:
            raise MidiError(file.problem)
        data = _content(file)
        self._sha256[file.path] = sha256 = _sha256(file.path, data)
        if len(self._known) and self._known[
            self._known.searchsorted(sha256) % len(self._known)
        ] == sha256.rstrip(b"\0"):
            raise _Known
        if is_notation(file.path):
            _check_archive(file.path)
            return load_notation(file.path)
        source = parse(data, file.path)
        if (notes := source.note_num()) > self.job.max_tokens:
            raise _TooLong(
                f"{notes:,} notes, which make more than the {self.job.max_tokens:,} tokens that are kept"
            )
        return source

    def _failed(self, path: str, error: MusegenError) -> Outcome:
        statuses = {_TooLong: "too long", EncodingError: "unencodable"}
        status = next((s for kind, s in statuses.items() if isinstance(error, kind)), "broken")
        return self._outcome(
            path,
            status=SAME if isinstance(error, _Known) else STATUSES.index(status),
            reason=_text(str(error).removeprefix(f"{path}: ").replace(path, "it")),
        )

    def _encoded(self, batch: bulk.Batch) -> dict[str, Outcome]:
        encoder, bundle, most = self.job.encoder, batch.bundle, self.job.max_tokens
        paths = [str(path) for path in batch.paths]
        if (
            encoder.config.encoding == "performance"
            and len(paths) == 1
            and bundle.end[0] > STEPS_PER_TOKEN * most
        ):
            return {paths[0]: self._too_long(paths[0], int(bundle.end[0]) // STEPS_PER_TOKEN)}
        tokens, starts = encoder.codec.encode(bundle, encoder.vocabulary)
        tokens = tokens.astype(np.uint16)
        melody, lengths = melodies(bundle)
        notes, signature = np.bincount(bundle.notes.piece, minlength=len(paths)), signatures(bundle)
        pieces = np.split(tokens, starts[1:]), np.split(melody, np.cumsum(lengths)[:-1])
        done: dict[str, Outcome] = {}
        for index, (path, own, line) in enumerate(zip(paths, *pieces, strict=True)):
            if not notes[index]:
                nothing = "no notes in it that the encoding carries"
                done[path] = self._outcome(
                    path, status=STATUSES.index("empty"), reason=_text(nothing)
                )
            elif len(own) > most:
                done[path] = self._too_long(path, len(own))
            else:
                done[path] = self._outcome(
                    path,
                    status=KEPT,
                    notes=int(notes[index]),
                    signature=int(signature[index]),
                    tracks=_tracks(batch.scores[index]),
                    melody=line,
                    tokens=own,
                )
        return done

    def _prepared(self, bundle: Bundle) -> Bundle:
        """Return the pieces as a composer hears them: as written, not as articulated, and on their barlines."""
        if len(bundle.end) > 1:
            bundle.refuse(bundle.end > FAR * bundle.ticks_per_quarter, lambda piece: _IS_FAR)
        if self.job.encoder.config.encoding == "metric":
            bundle = close_all_gaps(bundle)
        return pad_pickups(bundle)

    def _too_long(self, path: str, tokens: int) -> Outcome:
        return self._failed(
            path, _TooLong(f"{tokens:,} tokens; at most {self.job.max_tokens:,} are kept")
        )

    def _outcome(self, path: str, **more: Any) -> Outcome:
        file = self.files[path]
        return Outcome(file.identity, _text(file.name), self._sha256.get(path, b""), **more)


def _content(file: Found) -> bytes:
    """Return what is in a file.

    Raises:
        MusegenError: It cannot be read, or is too large.
    """
    if file.size > MAX_BYTES:
        raise _TooLong(f"{file.size:,} bytes; at most {MAX_BYTES:,} are read")
    try:
        with Path(file.path).open("rb", buffering=0) as opened:
            return opened.read()
    except OSError as error:
        raise MidiError(f"it cannot be opened: {error.strerror or error}") from error


def _sha256(path: str, data: bytes) -> bytes:
    """Return the address of a content. Written music is told from MIDI by its name: the same bytes are other music."""
    return hashlib.sha256(
        data + Path(path).suffix.lower().encode() if is_notation(path) else data
    ).digest()


def _check_archive(path: str) -> None:
    """Refuse a compressed MusicXML file that would fill memory."""
    if path.lower().endswith(".mxl"):
        try:
            with zipfile.ZipFile(path) as archive:
                size = sum(entry.file_size for entry in archive.infolist())
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise MidiError(f"it is no compressed MusicXML: {error}") from error
        if size > MAX_BYTES:
            raise _TooLong(f"{size:,} bytes when unpacked; at most {MAX_BYTES:,} are read")


def _tracks(source: Any) -> bytes:
    """Return a line for each track of what was read: program, 1 for drums, name."""
    rows = (
        f"{t.program} {t.is_drum:d} {t.name[:LONGEST_NAME]}".replace("\n", " ")
        for t in source.tracks
    )
    return _text("\n".join(rows))


def _text(text: str) -> bytes:
    return text.encode(errors="backslashreplace")
