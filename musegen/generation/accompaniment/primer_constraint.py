"""Playing beside a primer: its notes are put into the sequence as they come, and a model writes the other parts.

As `inject_primer_during_generation` of Magenta's Polyphony RNN does. Nothing of the primer stands
before the first token; at each the primer's next note says what must not be skipped, and the model
chooses all that comes between.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.encoder import Encoder
from musegen.encoding.grammar import Grammar, Mask, MetricGrammar
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.generation.tasks import TokenConstraint

__all__ = ["AccompanimentGrammar", "PrimerConstraint"]

IN_NOTE = ("pitch", "drum", "velocity", "hold")  # after these a note is not yet said in full
STRUCK = ("program", "pitch", "drum")  # with these a note begins in the part that is spoken of
NEVER = 1 << 40  # a step, and a part, after all others


class AccompanimentGrammar(MetricGrammar):
    """The rules beside a primer: notes end with its last at the latest, at a step that need not be told in bars.

    Meters may change on the way, so a number of bars in the meter in force would not say how much
    room is left.
    """

    def __init__(self, vocabulary: Vocabulary, stop: int) -> None:
        """Stand before `start`; `stop` is the step where the primer's last note ends."""
        super().__init__(vocabulary)
        self._stop = stop

    @property
    def room(self) -> int:
        """How many steps the note that is being said may still last."""
        return self._stop - self.now - self.writing[1]


class PrimerConstraint:
    """The tokens that keep to a primer, in its own parts and in time. All else is the model's.

    - No note, tempo or meter of the primer is skipped: positions, bars, parts and pitches behind
      the next are forbidden. In its own parts nothing but its notes is struck, and they are spelled
      as the encoder did.
    - The other parts are silent until the primer's first note, and each of them enters with it.
      None begins a note when the primer's last has ended.
    - Once none of them has sounded for a bar, at least one must strike a note.

    Args:
        tokens: The primer's, `int32[T]`, from `start` to `end`.
        parts: Its parts.
        free: The parts that play beside it.
        encoder: What made the tokens.
        others: What else is asked; it has a say wherever there is a choice.

    Attributes:
        relaxed: For how many tokens no choice did as asked.
    """

    def __init__(
        self,
        tokens: Tokens,
        parts: Sequence[int],
        free: Sequence[int],
        encoder: Encoder,
        others: TokenConstraint | None = None,
    ) -> None:
        """Read the primer."""
        vocabulary = encoder.vocabulary
        music = encoder.decode(tokens)
        self.relaxed = 0
        self._others = others
        self._own, self._free = frozenset(parts), sorted(free)
        kinds = vocabulary.kinds[tokens]
        heads = vocabulary.notes[tokens].nonzero()[0]
        ends = (kinds == vocabulary.kind("duration")).nonzero()[0] + 1
        notes = music.notes  # in the order of their tokens
        self._keys = list(
            zip(*(notes[name].tolist() for name in ("onset", "track", "pitch")), strict=True)
        )
        self._spelled = [
            tokens[head:end].tolist()
            for head, end in zip(heads.tolist(), ends.tolist(), strict=True)
        ]
        declared = (
            kinds[heads - 1] == vocabulary.kind("program")
            if "program" in vocabulary.blocks
            else heads < 0
        )
        self._programs = np.where(declared, tokens[heads - 1], -1).tolist()
        said = vocabulary.of("tempo")[tokens]
        self._tempos = dict(zip(music.tempos["tick"].tolist(), tokens[said].tolist(), strict=True))
        self._tempo_steps = sorted(self._tempos)
        said = vocabulary.of("time_signature")[tokens]
        bars = vocabulary.of("bar")[tokens].cumsum()
        self._meters = dict(zip((bars[said] - 1).tolist(), tokens[said].tolist(), strict=True))
        self._bars = int(bars[-1])
        self._first, self._last = self._keys[0][0], int((notes["onset"] + notes["duration"]).max())
        self._slices = {
            kind: slice(at, at + vocabulary.blocks[kind]) for kind, at in vocabulary.first.items()
        }
        self._loud = int("velocity" in vocabulary.blocks)
        self._longest = vocabulary.blocks["duration"]

    def mask(self, rules: Grammar, legal: Mask) -> Mask:
        """Return the tokens, of those that may come next, `bool[V]`, that keep to the primer; all if none would."""
        assert isinstance(rules, MetricGrammar)
        keeps: list[int] = []  # what the primer asks for, and `others` must not forbid
        out = legal
        forced = self._forced(rules)
        if forced >= 0:
            out = np.zeros_like(legal)
            out[forced] = legal[forced]
        elif rules.kind not in IN_NOTE:
            out = legal.copy()
            self._narrow(rules, out, keeps)
        if not out.any():
            self.relaxed += 1
            return legal
        return out if forced >= 0 else self._asked(rules, out, keeps)

    def _asked(self, rules: MetricGrammar, out: Mask, keeps: list[int]) -> Mask:
        """Return what the others leave of the choices that are not the primer's; those alone if they must give way."""
        keeps = [token for token in keeps if out[token]]
        choices = out.copy()
        choices[keeps] = False
        if self._others is None or not choices.any():
            return out
        before = self._others.relaxed
        wanted = self._others.mask(rules, choices).copy()
        if self._others.relaxed > before:
            self.relaxed += not keeps
            wanted &= not keeps
        wanted[keeps] = True
        return wanted

    def merge_mass(self, rules: Grammar, narrowed: Mask, logits: NDArray[np.float32]) -> None:
        """Let lengths of the other parts that were left out count for their nearest, in logits `float32[V]`."""
        if (
            self._others is not None
            and isinstance(rules, MetricGrammar)
            and rules.part not in self._own
        ):
            self._others.merge_mass(rules, narrowed, logits)

    def _forced(self, rules: MetricGrammar) -> int:
        """Return the only token that keeps to the primer; -1 if there may be a choice."""
        kind = rules.kind
        if kind == "start":
            return self._slices["bar"].start
        if kind in IN_NOTE and rules.part in self._own:
            index = bisect_left(self._keys, (rules.now, rules.part, rules.writing[0]))
            said = {"velocity": 2, "hold": 1 + self._loud + rules.writing[1] // self._longest}.get(
                str(kind), 1
            )
            return int(self._spelled[index][said])
        if kind == "bar":
            return int(self._meters.get(rules.bar, -1))
        if kind == "position":
            return int(self._tempos.get(rules.now, -1))
        return -1

    def _next(self, rules: MetricGrammar) -> int:
        """Return the index of the primer's next note."""
        if rules.chord is None:
            return bisect_left(self._keys, (rules.now,))
        return bisect_right(self._keys, (rules.now, *rules.chord))

    def _narrow(self, rules: MetricGrammar, out: Mask, keeps: list[int]) -> None:
        """Forbid what would skip something of the primer, or is not its own, between notes."""
        index = self._next(rules)
        onset, part, _ = self._keys[index] if index < len(self._keys) else (NEVER, NEVER, 0)
        there = rules.position >= 0
        due = self._due(rules) if there else NEVER
        pending = there and onset == rules.now
        limit = min(part if pending else NEVER, due)
        for kind in ("tempo", "time_signature"):  # the primer's were forced
            if kind in self._slices:
                out[self._slices[kind]] = False
        self._move(rules, min(onset, self._next_tempo(rules)), limit, out, keeps)
        silent = not there or not self._first <= rules.now < self._last
        parts = out[self._slices["part"]]
        may = [] if silent else [other for other in self._free if other <= limit]
        if pending and part == limit:
            may.append(part)
            keeps.append(self._slices["part"].start + part)
        named = np.zeros_like(parts)
        named[may] = True
        parts &= named
        if rules.part not in may or rules.part == part == limit:
            for kind in STRUCK:
                if kind in self._slices:
                    self._strike(kind, index if rules.part in may else -1, out, keeps)

    def _strike(self, kind: str, index: int, out: Mask, keeps: list[int]) -> None:
        """Forbid to begin any note but one of the primer's; −1 for none."""
        block = self._slices[kind]
        mine = [] if index < 0 else [self._programs[index], self._spelled[index][0]]
        here = [token for token in mine if block.start <= token < block.stop and out[token]]
        out[block] = False
        out[here] = True
        keeps += here

    def _move(
        self, rules: MetricGrammar, onset: int, limit: int, out: Mask, keeps: list[int]
    ) -> None:
        """Forbid positions, and the ends of bar and piece, that skip a step of the primer or make a rest too long."""
        here, bar, end = (self._slices[kind] for kind in ("position", "bar", "end"))
        over = rules.bar_start + rules.bar_length
        latest = min(onset, max(self._deadline(rules), rules.now + (rules.position >= 0)))
        if limit < NEVER:
            latest = -1
        positions = out[here]
        target = onset - rules.bar_start
        goes_on = latest == onset < over and bool(positions[target])
        positions[max(min(latest + 1, self._last) - rules.bar_start, 0) :] = False
        if onset <= self._first:
            positions[:target] = False
        if goes_on:  # a tempo may stand where no note may begin
            positions[target] = True
            keeps.append(here.start + target)
        last = rules.bar + 1 == self._bars
        out[bar] &= latest >= over and not last
        out[end] &= latest >= over and last

    def _next_tempo(self, rules: MetricGrammar) -> int:
        """Return the step of the next tempo."""
        at = bisect_left(self._tempo_steps, rules.now + (rules.position >= 0))
        return self._tempo_steps[at] if at < len(self._tempo_steps) else NEVER

    def _due(self, rules: MetricGrammar) -> int:
        """Return the part that must not be passed at this position before it, or one below, is struck."""
        if rules.now == self._first:
            return next((part for part in self._free if not rules.off[part].any()), NEVER)
        return self._free[-1] if rules.now >= self._deadline(rules) else NEVER

    def _deadline(self, rules: MetricGrammar) -> int:
        """Return the step at which another part must have struck a note."""
        silent = int(rules.off[self._free].max())
        due = silent + rules.bar_length
        return due if silent and due < self._last else NEVER
