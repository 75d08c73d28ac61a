"""Read one tune of an ABC file as a `Score`."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from musegen.errors import MidiError
from musegen.score.chords import parse_chord
from musegen.score.notation.abc.assembling import assembled
from musegen.score.notation.abc.directives import follow, follow_midi
from musegen.score.notation.abc.errors import Fault, located
from musegen.score.notation.abc.fields import default_unit, parse_meter, parse_tempo, parse_unit
from musegen.score.notation.abc.keys import parse_key
from musegen.score.notation.abc.lines import DIRECTIVE, MUSIC, Content, contents, without_comment
from musegen.score.notation.abc.settings import WHOLE, Settings
from musegen.score.notation.abc.staff import Staff, parse_staff, parse_voice
from musegen.score.notation.abc.tokens import check_decoration, has_music, tokens
from musegen.score.notation.abc.tunebook import MAX_LETTERS, Tune, split_abc
from musegen.score.notation.abc.voice import HANDLERS, Voice
from musegen.score.notation.tables import LEVELS
from musegen.score.score import Score

__all__ = ["Reader", "parse_abc"]

MAX_VOICES = 100
ANNOTATION = ("^", "_", "<", ">", "@")
SYMBOLS = frozenset("HIJKLMNOPQRSTUVW.~uvk")
"""Signs before a note (4.14): `k` is a wedge in older files; other small letters need `U:`."""


def parse_abc(tune: str | Tune) -> Score:
    r"""Return the music of one ABC tune, at 480 ticks per quarter.

    >>> score = parse_abc("X:1\nM:3/4\nL:1/4\nK:G\nGAB|f3|]")
    >>> score.notes["pitch"].tolist()
    [67, 69, 71, 78]

    Args:
        tune: The text of a tune, or a tune that `split_abc` returned.

    Raises:
        MidiError: Something in it is not understood; the message names line and column. Or the
            text has several tunes.
    """
    if isinstance(tune, str):
        tunes = split_abc(tune)
        if len(tunes) != 1:
            raise MidiError(f"{len(tunes)} tunes, expected one. Pick one: split_abc(text)[0].")
        tune = tunes[0]
    if len(tune.text) > MAX_LETTERS:
        raise MidiError(
            f"line {tune.line}: a tune must have at most {MAX_LETTERS:,} characters. Received: "
            f"{len(tune.text):,}. Split it into several."
        )
    return assembled(Reader(tune).voices.values())


class Reader:
    """Reads the lines of a tune.

    Attributes:
        settings: What the tune header sets; each voice starts from it.
        voices: The voices that have music: those of the header in its order, then the others.
        voice: The voice that is written in; None before the music begins.
        declared: What the header says of the voice that it describes last, if any: its `V:`
            fields, and the words of `%%MIDI` directives behind them. None in the body.
        breaks_at_bang: Whether `!` is a line break, not the delimiter of decorations.
    """

    def __init__(self, tune: Tune) -> None:
        """Read a tune."""
        self.settings = Settings()
        self.voices: dict[str, Voice] = {}
        self.voice: Voice | None = None
        self.breaks_at_bang = False
        self._in_header = True
        self._unit_is_given = False
        self._tempo: int | None = None  # microseconds per quarter
        self._tempo_field: tuple[str, int] | None = None  # in the header: its value and line
        self.declared: list[Staff | list[str]] | None = None
        self._declared: dict[str, list[Staff | list[str]]] = {}
        self._symbols = set(SYMBOLS)
        self._line = tune.line
        for content in contents(tune.lines()):
            self._line = content.line.number
            try:
                self._read(content)
            except Fault as fault:
                raise located(fault, self._line) from fault
        self._finish()

    def _read(self, content: Content) -> None:
        """Read the content of a line."""
        if content.kind == DIRECTIVE:
            follow(self, content.text)
        elif content.kind != MUSIC:
            self._field(content.kind, content.text)
        elif not self._in_header:
            self._music(content.text)
        elif has_music(content.text):
            raise Fault(
                "a tune header must have information fields and end with K:, before the music. "
                f"Received: {content.text.strip()!r:.40}"
            )

    def _finish(self) -> None:
        """Make sure that header and voices are complete, and put the voices in order."""
        if self._in_header:
            raise MidiError(
                f"line {self._line}: a tune must have a K: field (the key, as in K:C), which ends "
                "its header. Received: the end of the tune. Add one."
            )
        in_order = dict.fromkeys((*self._declared, *self.voices))
        self.voices = {name: self.voices[name] for name in in_order if name in self.voices}
        for voice in self.voices.values():
            try:
                voice.check_complete()
            except Fault as fault:
                raise located(fault, self._line) from fault

    # Music

    def _music(self, text: str) -> None:
        """Read a line of music."""
        if self.breaks_at_bang:
            text = text.replace("!", " ")
        at = 0
        try:
            for at, name, match in tokens(text):  # noqa: B007  (where an error is)
                self._token(name, match)
            at = len(text)
            if self.voice:
                self.voice.check_chord()
        except Fault as fault:
            raise located(fault, self._line, at) from fault

    def _token(self, name: str, match: re.Match[str]) -> None:
        """Read a token of music; the first one that is no `[V:…]` begins the first voice."""
        if name == "field" and match["field"] == "V":
            self._select_voice(without_comment(match["value"]))
            return
        voice = self._current()
        handler = HANDLERS.get(name)
        if handler:
            handler(voice, match)
        elif name == "field":
            self._field(match["field"], without_comment(match["value"]))
        elif name == "text":
            _text(match["text"], voice)
        elif name == "decoration":
            _decorate(match["name"] or match["old_name"], match[0], voice)
        elif match[0] not in self._symbols:
            raise Fault(f"expected a note, a rest or a sign for it. Received: {match[0]!r}")

    # Voices

    def _current(self) -> Voice:
        """Return the voice that is written in: the first, unless another was chosen."""
        if self.voice is None:
            self.voice = self._voice(next(iter(self._declared), "1"))
        return self.voice

    def _voice(self, name: str) -> Voice:
        """Return a voice, which begins as the tune header says."""
        if name not in self.voices:
            if len(self.voices) >= MAX_VOICES:
                raise Fault(f"a tune must have at most {MAX_VOICES} voices. Received: more")
            voice = self.voices[name] = Voice(self.settings)
            if self._tempo:
                voice.tempos[0] = (self._tempo,)
            for said in self._declared.get(name, ()):
                if isinstance(said, Staff):
                    voice.describe(name, said)
                else:
                    follow_midi(voice.settings, said)
            voice.state_meter()
            voice.state_key()
        return self.voices[name]

    def _select_voice(self, value: str) -> None:
        name, properties = parse_voice(value)
        staff = parse_staff(properties)
        if self._in_header:
            self.declared = self._declared.setdefault(name, [])
            self.declared.append(staff)
        else:
            self.voice = self._voice(name)
            self.voice.describe(name, staff)

    # Fields

    @property
    def target(self) -> Settings:
        """The settings that a field changes."""
        return self.voice.settings if self.voice else self.settings

    def _field(self, letter: str, value: str) -> None:
        """Apply an information field; those that do not change the sound are passed over."""
        handler = FIELDS.get(letter)
        if handler:
            handler(self, value)

    def _set_key(self, value: str) -> None:
        key, staff = parse_key(value)
        self.target.apply(staff)
        if key is not None:
            self.target.key = key
        if self.voice:
            self.voice.state_key()
        if self._in_header:
            self._end_header()

    def _end_header(self) -> None:
        """Work out what depends on fields that may stand in any order."""
        self._in_header = False
        self.declared = None
        if not self._unit_is_given:
            self.settings.unit = _units(default_unit(self.settings.meter))
        if self._tempo_field:
            value, line = self._tempo_field
            try:
                self._set_tempo(value)
            except Fault as fault:
                raise located(fault, line) from fault

    def _set_meter(self, value: str) -> None:
        self.target.meter = parse_meter(value)
        if self.voice:
            self.voice.state_meter()

    def _set_unit(self, value: str) -> None:
        unit = parse_unit(value)
        if unit is not None:
            self.target.unit = _units(unit)
            self._unit_is_given = True

    def _set_tempo(self, value: str) -> None:
        if self._in_header:
            self._tempo_field = (value, self._line)
            return
        tempo = parse_tempo(value, Fraction(self.target.unit, WHOLE))
        if tempo and self.voice:
            self.voice.tempos[self.voice.time] = (tempo,)
        elif tempo:
            self._tempo = tempo

    def _define_symbol(self, value: str) -> None:
        match = re.match(r"([H-Wh-w~.])\s*=", value)
        if not match:
            raise Fault(
                "a symbol must be a letter H-W or h-w, or ~, as in U:T=!trill!. "
                f"Received: {value!r:.40}"
            )
        self._symbols.add(match[1])

    def _refuse_macro(self, value: str) -> None:
        raise Fault(
            "macros (m: fields) are not read. Write out what they stand for. "
            f"Received: {value!r:.40}"
        )


FIELDS: dict[str, Callable[[Reader, str], None]] = {
    "K": Reader._set_key,
    "M": Reader._set_meter,
    "L": Reader._set_unit,
    "Q": Reader._set_tempo,
    "V": Reader._select_voice,
    "U": Reader._define_symbol,
    "I": follow,
    "m": Reader._refuse_macro,
}
"""Letter of a field → what it does."""


def _text(text: str, voice: Voice) -> None:
    """Keep a chord symbol (4.18); an annotation (4.19) is no music."""
    chord = None if text.startswith(ANNOTATION) else parse_chord(text)
    if chord:
        voice.state_chord(chord)


def _decorate(name: str, text: str, voice: Voice) -> None:
    """Follow dynamics (4.14); other decorations are passed over."""
    if name in LEVELS:
        voice.settings.velocity = LEVELS[name]
    else:
        check_decoration(text)


def _units(length: Fraction) -> int:
    return round(length * WHOLE)
