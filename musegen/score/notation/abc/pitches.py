"""Find the pitch of a note: accidentals of key and bar, and ties."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction

from musegen.score.notation.abc.keys import ALTERATIONS, STEPS
from musegen.score.notation.abc.settings import Settings

__all__ = ["Layer", "Note", "on_staff"]

Note = list[int]
"""Onset, length, pitch, velocity, instrument; a tie or a broken rhythm changes the length."""

SEMITONES = (0, 2, 4, 5, 7, 9, 11)


@dataclass(eq=False)
class Layer:
    """Accidentals and ties of a voice, or of an overlay of it.

    Attributes:
        accidentals: Place on the staff, or step if all octaves share them → semitones, in this bar.
        ties: Place on the staff → the note that is tied from there.
    """

    accidentals: dict[int, int] = field(default_factory=dict)
    ties: dict[int, Note] = field(default_factory=dict)

    def pitch(self, accidental: str | None, place: int, settings: Settings) -> int:
        """Return the sounding pitch at a place on the staff, and note its accidental (4.2)."""
        octave, step = divmod(place, 7)
        where = step if settings.accidentals == "pitch" else place
        if accidental is None:
            semitones = self.accidentals.get(where, settings.key.alterations[step])
        else:
            semitones = _semitones(accidental)
            if settings.accidentals != "not":
                self.accidentals[where] = semitones
        return 60 + 12 * octave + SEMITONES[step] + semitones + settings.transposition

    def tied(self, place: int, pitch: int, onset: int, is_written: bool) -> Note | None:
        """Return the note that is tied to one that begins now: at its place, or of its pitch.

        Args:
            place: Place on the staff.
            pitch: Its pitch without the tie.
            onset: When it begins.
            is_written: Whether it has an accidental of its own, so that the pitch is certain.
        """
        ending = {p: note for p, note in self.ties.items() if note[0] + note[1] == onset}
        note = ending.get(place)
        if note and (not is_written or note[2] == pitch):
            return note
        return next((note for note in ending.values() if note[2] == pitch), None)

    def forget_ties(self, onset: int) -> None:
        """Forget the ties of notes that have ended: they have found their second note, or not."""
        self.ties = {p: note for p, note in self.ties.items() if note[0] + note[1] > onset}


def on_staff(letter: str, octave: str) -> int:
    """Return the place of a note on the staff, in steps above middle C (4.1).

    >>> on_staff("C", ""), on_staff("d", ","), on_staff("B", ",,'")
    (0, 1, -1)
    """
    octaves = letter.islower() + octave.count("'") - octave.count(",")
    return STEPS.index(letter.upper()) + 7 * octaves


def _semitones(accidental: str) -> int:
    """Return the semitones of an accidental.

    Microtones such as `^/` and `_3/2` are rounded, halves towards the natural note.
    """
    if accidental in ALTERATIONS:
        return ALTERATIONS[accidental]
    sign = accidental.rstrip("0123456789/")
    numerator, _, denominator = accidental[len(sign) :].partition("/")
    amount = Fraction(int(numerator or 1), int(denominator or 2) or 1)
    return ALTERATIONS[sign] * math.ceil(amount - Fraction(1, 2))
