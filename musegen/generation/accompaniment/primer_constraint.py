"""Force the primer's notes into the sequence as they come due, and leave all else to the model.

As `inject_primer_during_generation` of Magenta's Polyphony RNN does. The sequence begins empty; at
each token the primer's next note says what must not be skipped, and the model chooses everything
in between.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.encoder import Encoder
from musegen.encoding.grammar import IN_NOTE, Grammar, Mask, MetricGrammar
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.generation.constraints.next_note import NEVER  # a step, and a part, after all others
from musegen.generation.tasks import TokenConstraint

__all__ = ["AccompanimentGrammar", "PrimerConstraint"]

STRIKING = ("program", "pitch", "drum")  # with these a note begins in the current part


class AccompanimentGrammar(MetricGrammar):
    """The grammar of an accompaniment: no note outlasts the primer's last one.

    The limit is a step and not a bar count: meters may change on the way, so a number of bars in
    the meter in force would not say how much room is left.

    Args:
        vocabulary: The model's.
        stop: The step where the primer's last note ends.
    """

    def __init__(self, vocabulary: Vocabulary, stop: int) -> None:
        """Begin before `start`."""
        super().__init__(vocabulary)
        self._stop = stop

    @property
    def room(self) -> int:
        """How many steps the note that is being written may still last."""
        return self._stop - self.now - self.writing[1]


class _PrimerIndex:
    """The primer's tokens, looked up by step, part and pitch.

    Attributes:
        notes: (onset, part, pitch) of its notes, in the order of their tokens.
        spelled: The tokens of each note, from `pitch` or `drum` to `duration`.
        programs: The `program` token before each note; −1 for none.
        tempos: Step → its `tempo` token.
        meters: Bar → its `time_signature` token.
        bars: Number of bars.
        first: Step of the first note.
        last: Step where the last note ends.
    """

    def __init__(self, tokens: Tokens, encoder: Encoder) -> None:
        """Index the tokens, `int32[T]`, from `start` to `end`."""
        vocabulary, music = encoder.vocabulary, encoder.decode(tokens)
        kinds = vocabulary.kinds[tokens]

        # Notes.
        columns = [music.notes[name].tolist() for name in ("onset", "track", "pitch")]
        self.notes: list[tuple[int, int, int]] = list(zip(*columns, strict=True))
        heads = vocabulary.notes[tokens].nonzero()[0]
        ends = (kinds == vocabulary.kind("duration")).nonzero()[0] + 1
        bounds = zip(heads.tolist(), ends.tolist(), strict=True)
        self.spelled: list[list[int]] = [tokens[head:end].tolist() for head, end in bounds]
        self.programs = [-1] * len(self.notes)
        if "program" in vocabulary.blocks:
            declared = kinds[heads - 1] == vocabulary.kind("program")
            self.programs = np.where(declared, tokens[heads - 1], -1).tolist()
        self.first = self.notes[0][0]
        self.last = int((music.notes["onset"] + music.notes["duration"]).max())

        # Tempos by step, meters by bar.
        said = tokens[vocabulary.of("tempo")[tokens]].tolist()
        self.tempos = dict(zip(music.tempos["tick"].tolist(), said, strict=True))
        self._tempo_steps = sorted(self.tempos)
        is_meter = vocabulary.of("time_signature")[tokens]
        bars = vocabulary.of("bar")[tokens].cumsum()
        self.meters = dict(
            zip((bars[is_meter] - 1).tolist(), tokens[is_meter].tolist(), strict=True)
        )
        self.bars = int(bars[-1])

    def next_note(self, rules: MetricGrammar) -> int:
        """Return the index of the first note that has not been written."""
        if rules.chord is None:
            return bisect_left(self.notes, (rules.now,))
        return bisect_right(self.notes, (rules.now, *rules.chord))

    def next_tempo(self, step: int) -> int:
        """Return the step of the first tempo from a step on."""
        at = bisect_left(self._tempo_steps, step)
        return self._tempo_steps[at] if at < len(self._tempo_steps) else NEVER


class PrimerConstraint:
    """Keeps a sequence to a primer, in the primer's own parts and in time.

    - No note, tempo or meter of the primer is skipped: positions, bars, parts and pitches behind
      the next one are forbidden. In its own parts nothing but its notes begins, and they are
      spelled as the encoder spelled them.
    - The other parts are silent until the primer's first note, and each of them enters with it.
      None begins a note after the primer's last has ended.
    - When none of them has sounded for a bar, at least one must begin a note.

    Args:
        tokens: The primer's, `int32[T]`, from `start` to `end`.
        parts: Its parts.
        free: The parts that accompany it.
        encoder: What made the tokens.
        others: Further constraints, on tokens that are not the primer's.

    Attributes:
        relaxed: For how many tokens no choice met the constraints.
    """

    def __init__(
        self,
        tokens: Tokens,
        parts: Sequence[int],
        free: Sequence[int],
        encoder: Encoder,
        others: TokenConstraint | None = None,
    ) -> None:
        """Index the primer."""
        vocabulary = encoder.vocabulary
        self.relaxed = 0
        self._primer = _PrimerIndex(tokens, encoder)
        self._own = frozenset(parts)
        self._free = sorted(free)
        self._others = others
        self._blocks = {
            kind: slice(first, first + vocabulary.blocks[kind])
            for kind, first in vocabulary.first.items()
        }
        self._has_velocity = "velocity" in vocabulary.blocks
        self._longest = vocabulary.blocks["duration"]

    def mask(self, rules: Grammar, legal: Mask) -> Mask:
        """Return the legal tokens that keep to the primer, `bool[V]`; all if none does."""
        assert isinstance(rules, MetricGrammar)

        # Where the primer leaves one choice, there is nothing more to ask.
        forced = self._forced(rules)
        if forced >= 0:
            out = np.zeros_like(legal)
            out[forced] = legal[forced]
            return self._or_all(out, legal)

        # Inside a note of another part, everything goes; between notes, the primer limits.
        required: list[int] = []
        out = legal
        if rules.kind not in IN_NOTE:
            out = legal.copy()
            self._limit(rules, out, required)
        if not out.any():
            return self._or_all(out, legal)
        return self._with_others(rules, out, required)

    def _or_all(self, out: Mask, legal: Mask) -> Mask:
        """Return the mask, or all legal tokens if it has none."""
        if out.any():
            return out
        self.relaxed += 1
        return legal

    def _with_others(self, rules: MetricGrammar, out: Mask, required: list[int]) -> Mask:
        """Apply the further constraints to the choices that the primer does not require."""
        required = [token for token in required if out[token]]
        choices = out.copy()
        choices[required] = False
        if self._others is None or not choices.any():
            return out
        before = self._others.relaxed
        wanted = self._others.mask(rules, choices).copy()
        if self._others.relaxed > before:  # no choice met them: the required tokens alone, if any
            self.relaxed += not required
            wanted &= not required
        wanted[required] = True
        return wanted

    def merge_mass(self, rules: Grammar, narrowed: Mask, logits: NDArray[np.float32]) -> None:
        """Let the further constraints move probability, in notes of the other parts."""
        if self._others is None or not isinstance(rules, MetricGrammar):
            return
        if rules.part not in self._own:
            self._others.merge_mass(rules, narrowed, logits)

    def _forced(self, rules: MetricGrammar) -> int:
        """Return the only token that keeps to the primer; −1 if there may be a choice."""
        kind, primer = rules.kind, self._primer
        if kind == "start":
            return self._blocks["bar"].start
        if kind in IN_NOTE and rules.part in self._own:
            key = (rules.now, rules.part, rules.writing[0])
            spelled = primer.spelled[bisect_left(primer.notes, key)]
            return spelled[self._place_in_note(rules)]
        if kind == "bar":
            return int(primer.meters.get(rules.bar, -1))
        if kind == "position":
            return int(primer.tempos.get(rules.now, -1))
        return -1

    def _place_in_note(self, rules: MetricGrammar) -> int:
        """Return the index, in a note's tokens, of the token that comes next."""
        if rules.kind == "velocity":
            return 2
        if rules.kind == "hold":
            return 1 + self._has_velocity + rules.writing[1] // self._longest
        return 1

    def _limit(self, rules: MetricGrammar, out: Mask, required: list[int]) -> None:
        """Forbid, between notes, what skips something of the primer or is not its own.

        Args:
            rules: The grammar.
            out: The mask to narrow, `bool[V]`.
            required: Tokens of the primer, to which those found here are added.
        """
        primer = self._primer
        index = primer.next_note(rules)
        onset, part = primer.notes[index][:2] if index < len(primer.notes) else (NEVER, NEVER)
        in_bar = rules.position >= 0
        is_due = in_bar and onset == rules.now

        # The last part that may play here: the primer's next, or one that must not be passed over.
        limit = min(part if is_due else NEVER, self._part_due(rules) if in_bar else NEVER)

        # The primer's tempos and meters were forced; there are no others.
        for kind in ("tempo", "time_signature"):
            if kind in self._blocks:
                out[self._blocks[kind]] = False
        self._limit_moves(rules, onset, limit, out, required)

        # Parts that may begin a note here.
        sounding = in_bar and primer.first <= rules.now < primer.last
        may = [other for other in self._free if other <= limit] if sounding else []
        if is_due and part == limit:
            may.append(part)
            required.append(self._blocks["part"].start + part)
        parts = out[self._blocks["part"]]
        named = np.zeros_like(parts)
        named[may] = True
        parts &= named

        # In the primer's part, its next note alone; in a part that may not play, none.
        if rules.part not in may or rules.part == part == limit:
            own = index if rules.part in may else -1
            for kind in STRIKING:
                if kind in self._blocks:
                    self._limit_notes(kind, own, out, required)

    def _limit_notes(self, kind: str, index: int, out: Mask, required: list[int]) -> None:
        """Forbid every new note but one of the primer's; −1 for none."""
        block = self._blocks[kind]
        own = [] if index < 0 else [self._primer.programs[index], self._primer.spelled[index][0]]
        here = [token for token in own if block.start <= token < block.stop and out[token]]
        out[block] = False
        out[here] = True
        required += here

    def _limit_moves(
        self, rules: MetricGrammar, onset: int, limit: int, out: Mask, required: list[int]
    ) -> None:
        """Forbid moves in time that skip something of the primer, or make a rest too long.

        Args:
            rules: The grammar.
            onset: Step of the primer's next note.
            limit: The last part that may play here; if there is one, time does not move on.
            out: The mask to narrow.
            required: Tokens of the primer.
        """
        primer, in_bar = self._primer, rules.position >= 0
        onset = min(onset, primer.next_tempo(rules.now + in_bar))
        latest = min(onset, max(self._deadline(rules), rules.now + in_bar))
        if limit < NEVER:
            latest = -1

        # Positions in this bar.
        block = self._blocks["position"]
        positions = out[block]
        bar_end = rules.bar_start + rules.bar_length
        target = onset - rules.bar_start
        reaches = latest == onset < bar_end and bool(positions[target])
        positions[max(min(latest + 1, primer.last) - rules.bar_start, 0) :] = False
        if onset <= primer.first:
            positions[:target] = False
        if reaches:  # a tempo may be where no note may begin
            positions[target] = True
            required.append(block.start + target)

        # The barline, and the end of the piece.
        is_last = rules.bar + 1 == primer.bars
        out[self._blocks["bar"]] &= latest >= bar_end and not is_last
        out[self._blocks["end"]] &= latest >= bar_end and is_last

    def _part_due(self, rules: MetricGrammar) -> int:
        """Return the last part by which a free part must have begun a note at this position."""
        if rules.now == self._primer.first:
            return next((part for part in self._free if not rules.off[part].any()), NEVER)
        return self._free[-1] if rules.now >= self._deadline(rules) else NEVER

    def _deadline(self, rules: MetricGrammar) -> int:
        """Return the step at which a free part must have begun a note."""
        silent_since = int(rules.off[self._free].max())
        deadline = silent_since + rules.bar_length
        return deadline if silent_since and deadline < self._primer.last else NEVER
