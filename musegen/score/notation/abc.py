"""Split ABC text into tunes, remove what music21 misreads, and parse it."""

from __future__ import annotations

import re
from typing import Any

from musegen.score.export.music21 import quiet

__all__ = ["parse_abc", "split_abc"]

# In ABC without a version line music21 assumes version 1.3, where an accidental holds for one note
# only. Players, and the tune books that music21 ships, let it hold for its bar, as in version 2.1.
ABC_VERSION = (2, 1, 0)
ABC_FIELD = re.compile(r"[ \t]*[A-Za-z+]:(?![|:])|%")  # a line `A:|` is music
ABC_INLINE = r"\[([KLMQV]:[^\]]*)\]"
ABC_UNPLAYED = re.compile(
    r"""
      %.*                 # comment
    | "[^"]*"             # chord symbol or annotation
    | !([^!\s|]*!)?       # decoration, or an old line break
    | \{[^}]*\}           # grace notes
    | \[[A-Za-z]:[^]]*\]  # field within the line
    | \((?!\d) | \)       # slurs, not tuplets
    | [H-Wh-wy~.`\\]      # decorations by letter, spacing, line continuation
    | x(?=[ ]*(\|[|\]]|\[\||:))  # before a section's end: not a rest, but a place for a mark
    """,
    re.VERBOSE,
)


def split_abc(text: str) -> list[str]:
    r"""Split the text of an ABC file into its tunes, each from its `X:` line to the next.

    The header before the first `X:` line (a version, fields for all tunes) is prepended to each
    tune. A text without an `X:` line is one tune.

    >>> split_abc("M:3/4\nX:1\nK:C\nCDE\nX:2\nK:G\nGAB\n")
    ['M:3/4\nX:1\nK:C\nCDE\n', 'M:3/4\nX:2\nK:G\nGAB\n']
    """
    starts = [match.start() for match in re.finditer(r"(?m)^[ \t]*X:", text)]
    if not starts:
        return [text]
    header = text[: starts[0]]
    # Prose before the first tune is not ABC; fields and directives are.
    shared = "".join(
        f"{line}\n" for line in header.splitlines() if re.match(r"%%|%abc-|[A-Z]:", line)
    )
    ends = [*starts[1:], len(text)]
    return [shared + text[start:end] for start, end in zip(starts, ends, strict=True)]


def parse_abc(text: str) -> Any:
    """Parse one ABC tune into a `music21.stream.Score`.

    Raises:
        MidiError: music21 cannot parse it.
    """
    with quiet("the ABC text"):
        from music21 import abcFormat

        handler = abcFormat.ABCFile(ABC_VERSION).readstr(_plain_abc(text))
        translate = abcFormat.translate
        rebar = translate.reBar
        # reBar splits a bar with too many notes by time signatures that are not on the page, and
        # moves the printed one. from_music21 lays out the bars itself.
        translate.reBar = lambda part, **_: part
        try:
            return translate.abcToStreamScore(handler)
        finally:
            translate.reBar = rebar


def _plain_abc(text: str) -> str:
    """Rewrite an ABC tune so that music21 reads its notes correctly.

    music21 10 loses notes under a fermata (`HB2`), misses dotted pairs across the end of a slur or
    a tie (`G>)A`), makes a new part of every line of a voice that returns, and skips fields inside
    a line (`[M:3/4]`) and the last field line before a bar. So signs that a score does not hold are
    removed, the lines of each voice are joined, and each field in the music gets a line of its own,
    twice.
    """
    head, music = _split_header(text)
    voices: dict[str, list[str]] = {"": []}
    lines = voices[""]
    for line in music:
        if not ABC_FIELD.match(line):
            line = re.sub(ABC_INLINE, r"\n\1\n", line)
        for part in line.split("\n"):
            if part.startswith("V:"):
                lines = voices.setdefault((part[2:].split() or ["1"])[0], [])
            elif ABC_FIELD.match(part):
                lines += [part] * (2 if part[0] in "KLMQ" else 1)
            else:
                notes = ABC_UNPLAYED.sub("", part).replace("x", "z")
                lines.append(re.sub(r"-?([<>]+)-?", r"\1", notes))
    for name, part_lines in voices.items():
        head += [f"V:{name}", *part_lines] if name else part_lines
    return "\n".join(head)


def _split_header(text: str) -> tuple[list[str], list[str]]:
    """Return the lines up to the first `K:`, without the voices' descriptions, and the rest."""
    lines = text.split("\n")
    keys = [i for i, line in enumerate(lines) if line.lstrip().startswith("K:")]
    start = keys[0] + 1 if keys else 0
    return [line for line in lines[:start] if not line.startswith("V:")], lines[start:]
