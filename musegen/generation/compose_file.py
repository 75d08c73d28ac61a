"""Compose from file to file: what `musegen compose` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import mido

from musegen.errors import MidiError, MusegenError
from musegen.generation.compose import pick
from musegen.generation.composer import Composer, Composition
from musegen.generation.request import Request
from musegen.score import Score, midi, notation
from musegen.score.reading import merge_programs
from musegen.utils.files import refuse_to_overwrite

__all__ = [
    "PrimerFile",
    "compose_file",
    "compose_files",
    "infill_file",
    "read_primer_file",
    "render",
]

MIDI_SUFFIXES = (".mid", ".midi")


def compose_file(
    primer: Path | None,
    output: Path | None = None,
    checkpoint: str | Path = "auto",
    *,
    only_continuation: bool = False,
    force: bool = False,
    **options: Any,
) -> tuple[Path, Composition, dict[str, float]]:
    """Continue a file, or compose from nothing, and write a MIDI file.

    The output has every event of a MIDI primer at its tick, a marker where the primer begins and
    one where the continuation does. Written music is turned into MIDI first.

    Args:
        primer: A MIDI, MusicXML, ABC or Humdrum file; None for a new piece.
        output: Where to write; by default `PRIMER-continued.mid` in the primer's folder
            (`PRIMER-accompanied.mid` with `inject`), or `musegen-CHECKPOINT-SEED.mid` in the
            current one.
        checkpoint: A name, a path, or `auto`.
        only_continuation: Write the continuation alone.
        force: Replace `output` if it exists.
        **options: As for `Composer.composition`.

    Returns:
        The file written, what was composed, and nats per note of the primer under each model that
        `auto` chose from.

    Raises:
        MusegenError: The primer cannot be read or continued, or the output cannot be written.
    """
    _, candidates, written = compose_files(
        primer, [options], output, checkpoint, only_continuation=only_continuation, force=force
    )
    ((path, made),) = written
    return path, made, candidates


def compose_files(
    primer: Path | None,
    variations: Sequence[Mapping[str, Any]],
    output: Path | None = None,
    checkpoint: str | Path = "auto",
    *,
    only_continuation: bool = False,
    force: bool = False,
    engine: str = "auto",
) -> tuple[Composer, dict[str, float], list[tuple[Path, Composition]]]:
    """Continue a file in several ways at the same time, and write a MIDI file of each.

    Args:
        primer: As for `compose_file`.
        variations: Options for `Composer.composition`, of each.
        output: As for `compose_file`; several files are numbered from 1.
        checkpoint: As for `compose_file`.
        only_continuation: As for `compose_file`.
        force: As for `compose_file`.
        engine: As for `Composer`.

    Returns:
        The composer; nats per note of the primer under each model that `auto` chose from; the files
        and what was composed.

    Raises:
        MusegenError: As `compose_file`; nothing is written then.
    """
    # Refuse an output that cannot be written before anything is computed.
    inject = any(options.get("inject", False) for options in variations)
    if output is None and primer is not None:
        added = "accompanied" if inject else "continued"
        output = primer.with_name(f"{notation.stem_of(primer)}-{added}.mid")
    if output is not None:
        for path in _numbered(output, len(variations)):
            _free(path, primer, force)

    # Read the primer, and choose the model.
    source = read_primer_file(primer) if primer is not None else None
    score = source.score if source else None
    composer, candidates = pick(checkpoint, score, inject=inject)
    if engine != composer.computed_by:
        composer = Composer(composer.checkpoint, engine)
    requests = [Request.of(score, options) for options in variations]
    output = output or Path(f"musegen-{composer.checkpoint.name}-{requests[0].seed}.mid")
    paths = _numbered(output, len(variations))

    # Compose all variations, then write them.
    made: dict[int, Composition] = {}
    for index, piece in composer.compositions(requests):
        if isinstance(piece, MusegenError):
            raise piece
        made[index] = piece
    for index, path in enumerate(paths):
        midi.save(render(source, made[index], only_continuation), path, force=force)
    return composer, candidates, [(path, made[index]) for index, path in enumerate(paths)]


def _numbered(path: Path, count: int) -> list[Path]:
    """Number a file name: `tune.mid` → `tune-1.mid`, `tune-2.mid` … if there are several."""
    if count == 1:
        return [path]
    width = len(str(count))
    return [path.with_stem(f"{path.stem}-{n:0{width}}") for n in range(1, count + 1)]


def infill_file(
    primer: Path,
    bars: tuple[int, int],
    output: Path | None = None,
    checkpoint: str | Path = "auto",
    *,
    force: bool = False,
    **options: Any,
) -> tuple[Path, Composition, dict[str, float]]:
    """Fill bars of a file, and write a MIDI file with every other event of the primer at its tick.

    Args:
        primer: A MIDI, MusicXML, ABC or Humdrum file.
        bars: As for `infill`.
        output: Where to write; by default `PRIMER-filled.mid` in the primer's folder.
        checkpoint: A name, a path, or `auto`.
        force: Replace `output` if it exists.
        **options: As for `Composer.infilling`.

    Returns:
        As `compose_file`.

    Raises:
        MusegenError: The primer cannot be read or filled, or the output cannot be written.
    """
    default = primer.with_name(f"{notation.stem_of(primer)}-filled.mid")
    output = _free(output or default, primer, force)
    file, score = read_primer_file(primer)[1:]
    composer, candidates = pick(checkpoint, score, fills=True)
    made = composer.infilling(score, bars, **options)
    assert made.end is not None
    marker = f"fill: musegen {made.checkpoint}, seed {made.seed}"
    midi.save(
        midi.refill(file, score, made.tracks, made.added, made.start, made.end, marker),
        output,
        force=force,
    )
    return output, made, candidates


def _free(output: Path, primer: Path | None, force: bool) -> Path:
    """Return the output path, after checking that it may be written."""
    if output.suffix.lower() not in MIDI_SUFFIXES:
        raise MidiError(
            f"the output must be a MIDI file, its name end in {' or '.join(MIDI_SUFFIXES)}. "
            f"Received: {str(output)!r}. Choose another -o."
        )
    if primer is not None and output.resolve() == primer.resolve():
        raise MidiError(
            f"the output must not be the primer itself. Received: {output}. Choose another -o."
        )
    refuse_to_overwrite(output, force)
    return output


class PrimerFile(NamedTuple):
    """A primer that was read from a file.

    Attributes:
        path: The file.
        file: All its events, as MIDI.
        score: Its music, one track per instrument.
    """

    path: Path
    file: mido.MidiFile
    score: Score


def read_primer_file(primer: Path) -> PrimerFile:
    """Read a MIDI, MusicXML, ABC or Humdrum file as a primer.

    Raises:
        MidiError: It cannot be read.
    """
    if notation.is_notation(primer):
        file = midi.to_mido(notation.load_notation(primer))
    else:
        file = midi.load_mido(primer)
    return PrimerFile(primer, file, merge_programs(midi.from_mido(file)))


def render(
    source: PrimerFile | None, made: Composition, only_continuation: bool = False
) -> mido.MidiFile:
    """Render a composition as a MIDI file: every event of the primer at its tick, and markers.

    Args:
        source: The primer; None for a new piece.
        made: What was composed.
        only_continuation: Leave the primer out.
    """
    if source is None:
        return midi.to_mido(made.score)
    if only_continuation:
        return midi.to_mido(made.only_continuation())
    if made.end is not None:  # an accompaniment
        markers = (
            f"primer: {source.path.name}",
            f"accompaniment: musegen {made.checkpoint}, seed {made.seed}",
        )
        return midi.overdub(source.file, made.score, made.added, len(source.score.tracks), markers)
    markers = (
        f"primer: {source.path.name}",
        f"continuation: musegen {made.checkpoint}, seed {made.seed}",
    )
    return midi.append(source.file, source.score, made.added, made.start, made.score.end, markers)
