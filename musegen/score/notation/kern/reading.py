"""Read a Humdrum file: a table whose columns, the spines, are parts, and whose rows follow in time.

======================  ========================================================================
line                    meaning
======================  ========================================================================
`**kern  **text`        begins spines; those that are not `**kern` are passed over
`*M3/4`, `*k[f#]`       time signature, key signature; `*MM90` tempo, `*Icello`, `*I"Name`
`*^` `*v` `*+` `*-`     split, join, begin and end spines; `*x` exchanges two
`=12`                   barline
`4c  .`                 notes; `.` continues what is sounding
`!!` `!`                comments
======================  ========================================================================

A row has no time of its own. Its notes begin where the last notes of their spines end, so all
spines in which notes begin must agree. A spine with `.` where its last note has ended is silent,
and begins again when the others do.

Pitches are written as they sound: `*ITr` says how a part looked on paper. Repeats are played once,
in the order of the page: `*>[A,A,B]` says how to expand them, and is passed over.

Source: D. Huron, The Humdrum Toolkit: Reference Manual (1994), Humdrum Syntax.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from musegen.errors import MidiError
from musegen.score.columns import KEY, NOTE, TEMPO, table
from musegen.score.general_midi import DEFAULT_VELOCITY, MAX_TEMPO, MAX_TICK
from musegen.score.notation.bars import TICKS_PER_QUARTER, lay_out_bars, to_ticks
from musegen.score.notation.kern.spines import PATHS, Part, Spine, follow_paths
from musegen.score.notation.kern.tokens import (
    Token,
    parse_key,
    parse_meter,
    parse_signature,
    parse_token,
)
from musegen.score.notation.tables import WrittenNote, changes, sounding
from musegen.score.score import Score

__all__ = ["parse_kern"]

MAX_CHARACTERS = 2 * 2**20  # 6 s and 300 MB; a long movement of a symphony has half of it
SAME_TIME = 1e-3  # quarters: less than the shortest note, more than rounding errors
LONGEST = MAX_TICK // TICKS_PER_QUARTER  # quarters


def parse_kern(text: str) -> Score:
    r"""Return the music of the text of a Humdrum file, at 480 ticks per quarter.

    Each `**kern` spine is a track. The last one, the highest on the page, is the first.

    >>> score = parse_kern("**kern\t**kern\n*M2/4\t*M2/4\n2C\t4c\n.\t4d\n*-\t*-\n")
    >>> score.notes[["onset", "duration", "pitch", "track"]].tolist()
    [(0, 480, 60, 0), (0, 960, 48, 1), (480, 480, 62, 0)]

    Raises:
        MidiError: It is no Humdrum file with `**kern` spines, holds several pieces, or is at fault;
            the message says in which line. Or it has more than 2 MiB.
    """
    if len(text) > MAX_CHARACTERS:
        raise MidiError(
            f"a Humdrum file of at most {MAX_CHARACTERS:,} characters was expected. Received: "
            f"{len(text):,}. Cut it into pieces, or leave it out."
        )
    reader = _Reader()
    for number, line in enumerate(text.split("\n"), 1):
        try:
            reader.read(line.rstrip())
        except ValueError as error:
            raise MidiError(f"line {number}: {error}") from None
    return reader.score()


class _Reader:
    """Reads one line after another; errors are `ValueError`s without the number of the line."""

    def __init__(self) -> None:
        self._spines: list[Spine] = []
        self._parts: list[Part] = []
        self._now = 0.0  # quarters
        self._end = 0.0
        self._barlines = [0]
        # Tick → the sign there.
        self._meters: dict[int, tuple[int, int]] = {}
        self._signatures: dict[int, int | None] = {}
        self._keys: dict[int, tuple[int, bool]] = {}
        self._tempos: dict[int, tuple[int]] = {}

    def read(self, line: str) -> None:
        """Read a line."""
        if not line or line.startswith("!"):
            return
        tokens = line.split("\t")
        if not self._spines:
            self._begin(tokens)
        if len(tokens) != len(self._spines):
            raise ValueError(
                f"{len(self._spines)} spine(s) were expected, with one tab between two. Received: "
                f"{len(tokens)}."
            )
        for sign, read in (("*", self._interpret), ("=", self._barline)):
            if line.startswith(sign):
                if other := [token for token in tokens if not token.startswith(sign)]:
                    raise ValueError(f"{sign} was expected in all spines. Received: {other[0]!r}.")
                return read(tokens)
        return self._data(tokens)

    def _begin(self, tokens: Sequence[str]) -> None:
        """Begin spines."""
        if self._parts:
            raise ValueError(
                "the piece has ended (*-), and no more was expected. Received: "
                f"{tokens[0][:20]!r}. Save each piece as a file of its own."
            )
        if "**kern" not in tokens:
            raise ValueError(
                f"a line that begins **kern spines was expected. Received: {tokens[0][:20]!r}. "
                "Check that it is a Humdrum file with notes."
            )
        self._spines = [Spine(end=0.0) for _ in tokens]

    # Interpretations

    def _interpret(self, tokens: Sequence[str]) -> None:
        """Read a line of signatures and names, or of changes of the spines."""
        if self._end and all(token.startswith("**") for token in tokens):
            raise ValueError(
                "a second piece begins, and one was expected. Save each as a file of its own."
            )
        for spine, token in zip(self._spines, tokens, strict=True):
            if token.startswith("**"):
                if token == "**kern" and not any(part is spine.part for part in self._parts):
                    self._parts.append(spine.part)
                spine.has_notes = token == "**kern"
            elif spine.has_notes:
                self._sign(spine.part, token[1:])
        if any(token in PATHS for token in tokens):
            self._spines = follow_paths(self._spines, tokens)

    def _sign(self, part: Part, text: str) -> None:
        """Read an interpretation, without its star; one that is not known is passed over."""
        tick = to_ticks(self._next())
        if text == "clefX":
            part.is_unpitched = True
        elif name := re.fullmatch(r'I"(.+)', text):
            part.name = part.name or name[1].strip()
        elif code := re.fullmatch(r"I([a-z]\w*?)\d*", text):
            part.code = part.code or code[1]
        elif text.startswith("k["):
            self._signatures[tick] = parse_signature(text[1:])
        elif key := parse_key(text):
            self._keys[tick] = key
        elif meter := parse_meter(text):
            self._meters[tick] = meter
        elif tempo := re.fullmatch(r"MM(\d{1,4}(?:\.\d+)?)", text):
            microseconds = round(60e6 / max(float(tempo[1]), 1e-3))
            if microseconds <= MAX_TEMPO:
                self._tempos[tick] = (microseconds,)

    # Time

    def _kern(self) -> Iterator[tuple[Spine, float]]:
        """Yield the spines that are not silent, and where their last notes end."""
        for spine in self._spines:
            if spine.has_notes and spine.end is not None:
                yield spine, spine.end

    def _next(self) -> float:
        """Return where the next notes begin: where the first of the last notes ends."""
        return min((end for _, end in self._kern()), default=self._now)

    def _barline(self, _: Sequence[str]) -> None:
        """Read a barline; a voice that is shorter than its part is silent up to there."""
        ends: dict[int, float] = {}
        for spine, end in self._kern():
            ends[id(spine.part)] = max(end, ends.get(id(spine.part), end))
        self._now = min(ends.values(), default=self._now)
        for spine, end in self._kern():
            if end < self._now - SAME_TIME:
                spine.end = None
        self._barlines.append(to_ticks(self._now))

    def _data(self, tokens: Sequence[str]) -> None:
        """Read a line of notes and rests."""
        starting: list[tuple[Spine, Token]] = []
        for number, (spine, text) in enumerate(zip(self._spines, tokens, strict=True), 1):
            if spine.has_notes and text != ".":
                try:
                    token = parse_token(text)
                except ValueError as error:
                    raise ValueError(f"spine {number}: {error}. Received: {text[:40]!r}.") from None
                if token.length is not None:
                    starting.append((spine, token))
        if not starting:
            return

        self._now = self._common_time([spine for spine, _ in starting])
        for spine, end in self._kern():
            if end < self._now + SAME_TIME:
                spine.end = None
        for spine, token in starting:
            self._write(spine, token)

    def _common_time(self, starting: Sequence[Spine]) -> float:
        """Return where the notes begin that begin together in some spines."""
        ends = sorted(spine.end for spine in starting if spine.end is not None)
        if not ends:
            return self._next()
        if ends[-1] - ends[0] > SAME_TIME:
            raise ValueError(
                "notes begin together that must follow others at different times: "
                f"{ends[0]:g} and {ends[-1]:g} quarters from the beginning. Correct the durations "
                "before this line."
            )
        return ends[-1]

    def _write(self, spine: Spine, token: Token) -> None:
        """Add the notes of a token that begins now."""
        part, onset = spine.part, to_ticks(self._now)
        for note in token.notes:
            pitch = note.pitch if part.drum is None else part.drum
            if pitch < 0:
                raise ValueError("a pitch was expected: R is for percussion (*clefX, *Idrum).")
            end = max(to_ticks(self._now + note.length), onset + 1)
            part.notes.append(
                WrittenNote(onset, end, pitch, DEFAULT_VELOCITY, note.stops, note.starts)
            )
        spine.end = self._now + (token.length or 0.0)
        self._end = max(self._end, spine.end)
        if self._end > LONGEST:
            raise ValueError(f"music of at most {LONGEST:,} quarters was expected.")

    # Result

    def score(self) -> Score:
        """Return the music."""
        rows = [
            (*row, number)
            for number, part in enumerate(reversed(self._parts))
            for row in sounding(part.notes)
        ]
        lines = [*self._barlines, to_ticks(self._end)] if len(self._barlines) > 1 else []
        bars = [(start, stop - start) for start, stop in pairwise(lines) if stop > start]
        pad, meters, end = lay_out_bars(bars, self._meters, pickup=len(bars) > 1)
        score = Score(
            notes=table(NOTE, rows),
            tracks=tuple(part.track() for part in reversed(self._parts)),
            ticks_per_quarter=TICKS_PER_QUARTER,
            tempos=changes(TEMPO, self._tempos),
            keys=changes(KEY, dict(self._key_changes())),
            end=to_ticks(self._end),
        ).shift(pad)
        return replace(score, meters=meters, end=max(end, score.end))

    def _key_changes(self) -> Iterator[tuple[int, tuple[int, bool]]]:
        """Yield tick and key of each key signature; a key named elsewhere is a modulation."""
        named = {tick: key for tick, key in self._keys.items() if abs(key[0]) <= 7}
        if not self._signatures:
            yield from list(named.items())[:1]
        for tick, fifths in self._signatures.items():
            if fifths is not None:
                yield tick, (fifths, named.get(tick) == (fifths, True))
