"""Follow directives (`%%` lines and `I:` fields) that change the sound; pass over the others.

==============================================  ==================================================
directive                                       what it does
==============================================  ==================================================
`propagate-accidentals not|octave|pitch`        how far an accidental holds in its bar (11.3)
`linebreak ... ! ...`, `continueall`            `!` is a line break, no decoration (6.1.1, 10.4)
`MIDI program [channel] n`                      the General MIDI program, 0 to 127
`MIDI voice [id] instrument=n`                  the same, 1 to 128 (11.2)
`MIDI channel 10`                               drums
`MIDI transpose n`                              transposition in semitones
`MIDI nobarlines`                               accidentals hold for their note only
`abc-include`                                   refused: no other file is opened
==============================================  ==================================================

A `MIDI` directive behind a `V:` field, in the header too, is for that voice.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from musegen.score.notation.abc.errors import Fault
from musegen.score.notation.abc.settings import Settings

if TYPE_CHECKING:
    from musegen.score.notation.abc.reader import Reader

__all__ = ["follow", "follow_midi"]

SCOPES = ("not", "octave", "pitch")


def follow(reader: Reader, text: str) -> None:
    """Follow a directive.

    Args:
        reader: The reader of the tune.
        text: The directive, without `%%` or `I:`.
    """
    name, *words = text.partition("%")[0].split() or [""]
    if name == "propagate-accidentals":
        reader.target.accidentals = _one_of(words, SCOPES)
    elif name in ("linebreak", "continueall"):
        reader.breaks_at_bang = "!" in words or (name == "continueall" and words != ["false"])
    elif name == "MIDI" and reader.declared is not None:
        follow_midi(Settings(), words)  # to find faults
        reader.declared.append(words)
    elif name == "MIDI":
        follow_midi(reader.target, words)
    elif name == "abc-include":
        raise Fault("other files are not opened. Put their lines here. Received: abc-include")


def follow_midi(settings: Settings, words: list[str]) -> None:
    """Follow the words of a `%%MIDI` directive."""
    match words:
        case ["program", *_, number]:
            settings.program = _number(number, 0, 127)
        case ["voice", *_] if instrument := re.search(r"instrument=(\S+)", " ".join(words)):
            settings.program = _number(instrument[1], 1, 128) - 1
        case ["channel", number]:
            settings.is_drum = _number(number, 1, 16) == 10
        case ["nobarlines"]:
            settings.accidentals = "not"
        case ["transpose", number]:
            settings.midi_semitones = _number(number, -127, 127)


def _one_of(words: list[str], valid: tuple[str, ...]) -> str:
    if len(words) != 1 or words[0] not in valid:
        received = " ".join(words)
        raise Fault(f"expected one of {', '.join(valid)}. Received: {received!r:.40}")
    return words[0]


def _number(text: str, lowest: int, highest: int) -> int:
    if not re.fullmatch(r"[-+]?\d{1,3}", text) or not lowest <= int(text) <= highest:
        raise Fault(f"expected a number from {lowest} to {highest}. Received: {text!r:.40}")
    return int(text)
