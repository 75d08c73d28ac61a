"""Hold what fields and directives set for a voice."""

from __future__ import annotations

from dataclasses import dataclass, field

from musegen.score.general_midi import DEFAULT_VELOCITY
from musegen.score.notation.abc.keys import Key
from musegen.score.notation.abc.staff import Staff

__all__ = ["WHOLE", "Settings"]

WHOLE = 2**20 * 3**4 * 5**2 * 7 * 11 * 13
"""Units of time in a whole note.

All note values, dotted or in tuplets of up to sixteen notes, are whole numbers of units, so that
sums are exact and fast.
"""


@dataclass
class Settings:
    """What is set for a voice; the tune header's settings are the beginning of each voice.

    Attributes:
        key: The key signature.
        meter: Numerator and denominator; None for free meter.
        unit: The unit note length, in units of time.
        clef_octaves: Octaves that the clef transposes by.
        octaves: Octaves that `octave=` transposes by.
        semitones: Semitones that `transpose=` transposes by.
        midi_semitones: Semitones that `%%MIDI transpose` transposes by.
        velocity: That of the next notes.
        program: General MIDI program.
        is_drum: Whether it is a drum kit.
        accidentals: How far an accidental holds in its bar: `not`, `octave` or `pitch` (11.3).
    """

    key: Key = field(default_factory=Key)
    meter: tuple[int, int] | None = None
    unit: int = WHOLE // 8
    clef_octaves: int = 0
    octaves: int = 0
    semitones: int = 0
    midi_semitones: int = 0
    velocity: int = DEFAULT_VELOCITY
    program: int = 0
    is_drum: bool = False
    accidentals: str = "pitch"

    @property
    def transposition(self) -> int:
        """Semitones from the written pitch to the sounding one."""
        octaves = self.clef_octaves + self.octaves
        return 12 * octaves + self.semitones + self.midi_semitones

    @property
    def signature(self) -> tuple[int, bool] | None:
        """Fifths of the key as it sounds, and whether it is minor; None if it is not known."""
        if self.key.signature is None:
            return None
        fifths, is_minor = self.key.signature
        if self.transposition % 12:
            fifths = (fifths + 7 * self.transposition + 5) % 12 - 5
        return fifths, is_minor

    def apply(self, staff: Staff) -> None:
        """Take over what a clef or transposition says."""
        if staff.clef is not None:
            self.is_drum = staff.clef.startswith("perc")
            self.clef_octaves = staff.clef_octaves
        if staff.octaves is not None:
            self.octaves = staff.octaves
        if staff.semitones is not None:
            self.semitones = staff.semitones
