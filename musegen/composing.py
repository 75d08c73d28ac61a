"""A file in, a file out: what `musegen compose` does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from musegen import midi, notation
from musegen.composer import Composition, pick
from musegen.errors import MidiError
from musegen.files import refuse_to_overwrite
from musegen.normalise import merge_programs

__all__ = ["compose_file"]


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
        output: Where to write; by default `PRIMER-continued.mid` in the primer's folder, or
            `musegen-CHECKPOINT-SEED.mid` in the current one.
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
    if primer is not None:
        output = output or primer.with_name(f"{primer.stem}-continued.mid")
        if output.resolve() == primer.resolve():
            raise MidiError(f"the output must not be the primer itself. Received: {output}. Choose another -o.")
    if output is not None:
        refuse_to_overwrite(output, force)
    if primer is None:
        composer, candidates = pick(checkpoint, None)
        made = composer.composition(None, **options)
        output = output or Path(f"musegen-{made.checkpoint}-{made.seed}.mid")
        midi.write(made.score, output, force=force)
        return output, made, candidates
    if primer.suffix.lower() in notation.NOTATION_SUFFIXES:
        file = midi.to_mido(notation.load_notation(primer))
    else:
        file = midi.load_mido(primer)
    score = merge_programs(midi.from_mido(file))
    composer, candidates = pick(checkpoint, score)
    made = composer.composition(score, **options)
    assert output is not None
    if only_continuation:
        midi.write(made.only_continuation(), output, force=force)
    else:
        markers = (f"primer: {primer.name}", f"continuation: musegen {made.checkpoint}, seed {made.seed}")
        midi.save(midi.append(file, score, made.added, made.start, made.score.end, markers), output, force=force)
    return output, made, candidates
