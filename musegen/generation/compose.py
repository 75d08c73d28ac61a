"""Which model, and from file to file: what `musegen compose` and `musegen.compose` do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import mido
import numpy as np

from musegen.encoding.normalise import merge_programs
from musegen.errors import CheckpointError, EncodingError, MidiError, MusegenError
from musegen.generation.accompaniment.part_assignment import ensemble_for
from musegen.generation.composer import Composer, Composition, load, whole
from musegen.generation.primer import read_primer
from musegen.generation.request import Request
from musegen.model import checkpoint as checkpoints
from musegen.score import Score, midi, notation
from musegen.utils.files import refuse_to_overwrite

__all__ = [
    "Source",
    "choose",
    "compose",
    "compose_file",
    "compose_files",
    "infill",
    "infill_file",
    "opened",
    "pick",
    "rendered",
]

DEFAULT_FOR_NEW = "folk"
MIDI_SUFFIXES = (".mid", ".midi")
UNREAD_NATS = float(
    np.log(128 * 48)
)  # of a note: any of 128 pitches, at any of the 48 steps of a bar of 4/4


def choose(
    primer: Score, fills: bool = False, inject: bool = False
) -> tuple[Composer, dict[str, float]]:
    """Return the composer that knows a primer best, and nats per note of the primer under each model.

    Of models that continue music; or, if it `fills`, of those that fill gaps; to `inject`, of those
    that have parts to play beside the primer.

    Every note of the primer counts: one that a model cannot read (it has too few parts, or no
    drums) costs what it would without any model, `UNREAD_NATS`.

    Raises:
        MusegenError: No model can read the primer; the message is that of the one with the most
            parts.
    """
    able = [
        found
        for found in map(load, checkpoints.available().values())
        if found.checkpoint.fills == fills
    ]
    able.sort(key=lambda found: -found.encoder.config.parts)
    if not able:
        kind, how = ("that fills gaps ", "train --future 128") if fills else ("", "train")
        raise CheckpointError(
            f"no checkpoint {kind}is installed. Make one with `musegen {how}`, or set MUSEGEN_CHECKPOINTS."
        )
    composers: dict[str, Composer] = {}
    nats: dict[str, float] = {}
    failure: MusegenError | None = None
    for composer in able:
        name = composer.checkpoint.name
        try:
            reading = read_primer(primer, composer.encoder)
            if inject:
                ensemble_for(primer, composer.checkpoint, composer.encoder)
        except (EncodingError, CheckpointError) as error:
            failure = failure or error
        else:
            composers[name] = composer
            share = float(np.isin(primer.notes["track"], reading.sources).mean())
            nats[name] = share * composer.surprise(reading) + (1 - share) * UNREAD_NATS
    if failure and not nats:
        raise failure
    return composers[min(nats, key=lambda name: (nats[name], name))], nats


def compose(
    primer: midi.MidiSource | None = None, *, checkpoint: str | Path = "auto", **options: Any
) -> Score:
    """Return `primer` with its continuation, or a new piece if there is none.

    Args:
        primer: A path, `Score`, `PrettyMIDI`, `mido.MidiFile` or music21 stream.
        checkpoint: A name, a path, or `auto` for the one that knows the primer best.
        **options: As for `Composer.composition`.
    """
    piece = None if primer is None else whole(primer)
    return pick(checkpoint, piece, inject=options.get("inject", False))[0].compose(piece, **options)


def infill(
    primer: midi.MidiSource,
    bars: int | tuple[int, int],
    *,
    checkpoint: str | Path = "auto",
    **options: Any,
) -> Score:
    """Return `primer` with new music in some of its bars, made of what stands on both sides of them.

    Args:
        primer: A path, `Score`, `PrettyMIDI`, `mido.MidiFile` or music21 stream.
        bars: The first and the last to fill, or the only one, counted from 1 as musicians do; a
            pickup is bar 0.
        checkpoint: A name, a path, or `auto` for the one, of those that fill gaps, that knows the
            primer best.
        **options: As for `Composer.infilling`.
    """
    piece = whole(primer)
    both = (bars, bars) if isinstance(bars, int) else bars
    return pick(checkpoint, piece, fills=True)[0].infilling(piece, both, **options).score


def pick(
    checkpoint: str | Path, primer: Score | None, fills: bool = False, inject: bool = False
) -> tuple[Composer, dict[str, float]]:
    """Return the composer that a checkpoint option means, and nats per note where there was a choice."""
    if str(checkpoint) != "auto":
        return load(checkpoint), {}
    return choose(primer, fills, inject) if primer is not None else (load(DEFAULT_FOR_NEW), {})


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
        primer: A MIDI, MusicXML or ABC file; None for a new piece.
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
    """Continue a file in several ways, side by side, and write a MIDI file of each.

    Args:
        primer: As for `compose_file`, and so are those below.
        variations: Options for `Composer.composition`, of each.
        output: Of several files each has its number, from 1, behind this name.
        checkpoint: See there.
        only_continuation: See there.
        force: See there.
        engine: As for `Composer`.

    Returns:
        The composer; nats per note of the primer under each model that `auto` chose from; the files
        and what was composed.

    Raises:
        MusegenError: As `compose_file`; nothing is written then.
    """
    inject = any(options.get("inject", False) for options in variations)
    if output is None and primer is not None:
        output = primer.with_name(f"{primer.stem}-{'accompanied' if inject else 'continued'}.mid")
    if output is not None:
        for path in _numbered(output, len(variations)):
            _free(path, primer, force)
    source = opened(primer) if primer is not None else None
    composer, candidates = pick(checkpoint, source.score if source else None, inject=inject)
    if engine != composer.computed_by:
        composer = Composer(composer.checkpoint, engine)
    requests = [Request.of(source.score if source else None, options) for options in variations]
    output = output or Path(f"musegen-{composer.checkpoint.name}-{requests[0].seed}.mid")
    paths = _numbered(output, len(variations))
    made: dict[int, Composition] = {}
    for index, piece in composer.compositions(requests):
        if isinstance(piece, MusegenError):
            raise piece
        made[index] = piece
    for index, path in enumerate(paths):
        midi.save(rendered(source, made[index], only_continuation), path, force=force)
    return composer, candidates, [(path, made[index]) for index, path in enumerate(paths)]


def _numbered(path: Path, count: int) -> list[Path]:
    """Return a name for each of some files."""
    width = len(str(count))
    return (
        [path]
        if count == 1
        else [path.with_stem(f"{path.stem}-{n:0{width}}") for n in range(1, count + 1)]
    )


def infill_file(
    primer: Path,
    bars: tuple[int, int],
    output: Path | None = None,
    checkpoint: str | Path = "auto",
    *,
    force: bool = False,
    **options: Any,
) -> tuple[Path, Composition, dict[str, float]]:
    """Fill bars of a file, and write a MIDI file that has every other event of a MIDI primer at its tick.

    Args:
        primer: A MIDI, MusicXML or ABC file.
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
    output = _free(output or primer.with_name(f"{primer.stem}-filled.mid"), primer, force)
    file, score = opened(primer)[1:]
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
    """Return the output, after making sure that it may be written."""
    if output.suffix.lower() not in MIDI_SUFFIXES:
        raise MidiError(
            f"the output must be a MIDI file, its name end in {' or '.join(MIDI_SUFFIXES)}. Received: {str(output)!r}. "
            "Choose another -o."
        )
    if primer is not None and output.resolve() == primer.resolve():
        raise MidiError(
            f"the output must not be the primer itself. Received: {output}. Choose another -o."
        )
    refuse_to_overwrite(output, force)
    return output


class Source(NamedTuple):
    """A primer that was read from a file."""

    path: Path
    file: mido.MidiFile
    """With all its events."""
    score: Score
    """Its music, one track per instrument."""


def opened(primer: Path) -> Source:
    """Read a MIDI, MusicXML or ABC file as a primer.

    Raises:
        MidiError: It cannot be read.
    """
    if primer.suffix.lower() in notation.NOTATION_SUFFIXES:
        file = midi.to_mido(notation.load_notation(primer))
    else:
        file = midi.load_mido(primer)
    return Source(primer, file, merge_programs(midi.from_mido(file)))


def rendered(
    source: Source | None, made: Composition, only_continuation: bool = False
) -> mido.MidiFile:
    """Return the file of a continuation: every event of the primer at its tick, and markers where both begin.

    Args:
        source: The primer; None for a new piece.
        made: What was composed.
        only_continuation: Leave the primer out.
    """
    if source is None:
        return midi.to_mido(made.score)
    if only_continuation:
        return midi.to_mido(made.only_continuation())
    if made.end is not None:  # beside the primer
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
