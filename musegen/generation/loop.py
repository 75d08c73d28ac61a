"""The token loop: write many pieces at once, each by its own rules, settings and random numbers.

The loop knows networks, grammars and samplers, and nothing of music files. A piece comes out the
same, to the bit, however many are written with it: its random numbers are its own, and the network
is run at numbers of rows (`Network.widths`) that do not change how a row is rounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.context import ALONE, View
from musegen.encoding.grammar import Grammar, Mask, allowed
from musegen.generation.guards import Violation
from musegen.generation.sampling import Sampler, penalised
from musegen.generation.tasks import Backtrack, Generated, Task
from musegen.model.interface import Network

__all__ = ["TokenLoop", "generate"]

TRIES = 3  # rewrites at a higher temperature before the offending pitch is forbidden
MOST_TRIES = 9  # rewrites after which a violation is left as it is, and reported
WARM = 0.7  # lowest temperature of a rewrite
WARMER = 0.3  # share by which each further try raises it


def generate(
    network: Network, tasks: Iterable[Task], view: View = ALONE
) -> Iterator[tuple[int, Generated]]:
    """Write pieces until their grammars are finished.

    Args:
        network: Gives the logits.
        tasks: The pieces; taken when there is room for another.
        view: What the network sees besides the tokens.

    Yields:
        Pieces with their numbers in `tasks`, as they are finished.
    """
    waiting = enumerate(tasks)
    loop = TokenLoop(network, view)
    while True:
        while loop.has_room and (task := next(waiting, None)) is not None:
            loop.add(*task)
        if loop.is_empty:
            return
        yield from loop.advance()


class _Checkpoint(NamedTuple):
    """A barline to go back to: where the piece was, and the network's logits and state there."""

    step: int
    bar: int
    length: int
    logits: NDArray[np.float32]
    state: Any
    rules: Grammar


@dataclass
class _Row:
    """A piece while it is written."""

    number: int
    task: Task
    rules: Grammar = field(init=False)
    first: int = field(init=False)
    """Index of the first note that is written here."""
    tokens: list[int] = field(default_factory=list)
    nats: list[float] = field(default_factory=list)
    checkpoints: list[_Checkpoint] = field(default_factory=list)
    tries: dict[tuple[int, str], int] = field(default_factory=dict)
    """(bar, reason) → how often the bar was rewritten for it."""
    temperature_scale: float = 1.0
    warm_until: int = 0
    """Number of bars after which the temperature returns to normal."""
    banned: tuple[int, int] | None = None
    """A pitch that must not begin, and the number of bars after which it may."""

    def __post_init__(self) -> None:
        self.rules = self.task.rules
        self.first = len(self.rules.notes)
        self._first_bar = max(self.rules.bars, 1)
        penalty = self.task.sampler.repetition_penalty
        self.is_plain = self.task.constraint is None and penalty == 1
        self.uniform = _uniform(self.task.rng)

    def save(self, logits: NDArray[np.float32], state: Any) -> None:
        """Save this barline, with the logits for the next token and the state before it."""
        if self.task.guards:
            here = self.rules.now, self.rules.bars, len(self.tokens)
            self.checkpoints.append(_Checkpoint(*here, logits, state, self.rules.copy()))

    def violation(self) -> Violation | None:
        """Return the first violation that a guard finds and that is still worth a rewrite."""
        for guard in self.task.guards:
            for found in guard.violations(self.rules, self.first):
                tries = self.tries.get((self._before(found).bar, found.reason), 0)
                if tries < MOST_TRIES:
                    return found
        return None

    def _before(self, violation: Violation) -> _Checkpoint:
        """Return the last saved barline at or before a violation."""
        earlier = (c for c in reversed(self.checkpoints) if c.step <= violation.onset)
        return next(earlier, self.checkpoints[0])

    def backtrack(self, violation: Violation) -> _Checkpoint:
        """Rewind to the barline before a violation and raise the temperature."""
        back, bars = self._before(violation), self.rules.bars
        key = back.bar, violation.reason
        tries = self.tries[key] = self.tries.get(key, 0) + 1

        # Forget what was written since.
        self.checkpoints = [c for c in self.checkpoints if c.bar <= back.bar]
        del self.tokens[back.length :]
        del self.nats[back.length :]
        self.rules = back.rules.copy()

        # Be bolder until the piece is past the bar where it went wrong; in the end, forbid.
        temperature = self.task.sampler.temperature
        self.temperature_scale = max(temperature, WARM) * (1 + WARMER * tries) / temperature
        self.warm_until = bars
        self.banned = (violation.pitch, back.bar + 1) if tries > TRIES else None
        return back

    def begin_bar(self) -> None:
        """Return to the normal temperature, and lift the ban, where they have run out."""
        if self.rules.bars > self.warm_until:
            self.temperature_scale = 1.0
        if self.banned is not None and self.rules.bars > self.banned[1]:
            self.banned = None

    def generated(self) -> Generated:
        """Return the finished piece."""
        backtracks = tuple(
            Backtrack(max(bar - self._first_bar, 0) + 1, reason, tries, tries < MOST_TRIES)
            for (bar, reason), tries in sorted(self.tries.items())
        )
        relaxed = self.task.constraint.relaxed if self.task.constraint else 0
        tokens, nats = np.array(self.tokens, np.int32), np.array(self.nats)
        return Generated(tokens, nats, backtracks, relaxed)


class TokenLoop:
    """The pieces that are being written: a row of the network each, padded to one of its widths.

    Args:
        network: Gives the logits.
        view: What the network sees besides the tokens.
    """

    def __init__(self, network: Network, view: View = ALONE) -> None:
        """Begin without pieces."""
        self._network = network
        self._view = view
        self._rows: list[_Row] = []
        # Pieces that do not continue from the last step, but from these logits and this state.
        self._moved: dict[int, tuple[NDArray[np.float32], Any]] = {}
        # The network's batch: its width, the numbers of the pieces in its rows, state and logits.
        self._width = 0
        self._numbers: list[int] = []
        self._state: Any = None
        self._logits = np.zeros((0, 0), np.float32)  # [rows, V]
        self._sampler = Sampler(())

    @property
    def has_room(self) -> bool:
        """Whether another piece can be written at the same time."""
        return len(self._rows) < self._network.widths[-1]

    @property
    def is_empty(self) -> bool:
        """Whether no piece is being written."""
        return not self._rows

    def add(self, number: int, task: Task) -> None:
        """Begin a piece.

        Args:
            number: By which `advance` returns it.
            task: What to write.
        """
        row = _Row(number, task)
        row.save(task.logits, task.state)
        self._rows.append(row)
        self._moved[number] = (task.logits, task.state)

    def advance(self) -> list[tuple[int, Generated]]:
        """Write until at least one piece is finished; return those that are, with their numbers."""
        while self._rows:
            finished = self._step()
            if finished:
                return finished
        return []

    def _step(self) -> list[tuple[int, Generated]]:
        """Write one token of every piece."""
        if self._moved or len(self._numbers) != len(self._rows):
            self._arrange()
        bars = [row.rules.bars for row in self._rows]
        self._run_network(self._draw())

        # At barlines: check, and go back, finish, or save the place.
        finished, remaining = [], []
        for place, (row, bar) in enumerate(zip(self._rows, bars, strict=True)):
            if row.rules.bars != bar or row.rules.finished:
                violation = row.violation()
                if violation is not None:
                    back = row.backtrack(violation)
                    self._moved[row.number] = (back.logits, back.state)
                elif row.rules.finished:
                    finished.append((row.number, row.generated()))
                    continue
                else:
                    row.begin_bar()
                    state = self._network.rows([self._state], [place])
                    row.save(self._logits[place].copy(), state)
                self._sampler.temperature_scale[place] = row.temperature_scale
            remaining.append(row)
        self._rows = remaining
        return finished

    def _arrange(self) -> None:
        """Bring the current pieces into a batch of one of the network's widths."""
        width = next(width for width in self._network.widths if width >= len(self._rows))

        # Collect each piece's logits and state: from the last batch, or from where it was moved to.
        where = {number: place for place, number in enumerate(self._numbers)}
        states = [] if self._state is None else [self._state]
        count = self._width
        sources, logits = [], []
        for row in self._rows:
            if row.number in self._moved:
                own_logits, state = self._moved[row.number]
                states.append(state)
                sources.append(count)
                count += 1
            else:
                own_logits = self._logits[where[row.number]]
                sources.append(where[row.number])
            logits.append(own_logits)

        # Rows beyond the pieces repeat the first one.
        padding = sources[:1] * (width - len(sources))
        self._state = self._network.rows(states, sources + padding)
        self._logits = np.stack(logits)
        self._width = width
        self._numbers = [row.number for row in self._rows]
        self._moved = {}

        # Settings of the pieces, as columns.
        vocabulary = self._rows[0].rules.vocabulary
        self._sampler = Sampler([row.task.sampler for row in self._rows], vocabulary)
        self._sampler.temperature_scale[:, 0] = [row.temperature_scale for row in self._rows]
        self._forbidden = np.stack([row.task.forbidden for row in self._rows])

    def _draw(self) -> NDArray[np.int64]:
        """Draw a token for every piece, and advance its grammar."""
        rules = [row.rules for row in self._rows]

        # What the grammar allows, without what the task forbids where there is another choice.
        legal = allowed(rules)
        wanted = legal & ~self._forbidden
        stuck = ~wanted.any(axis=1)
        wanted[stuck] = legal[stuck]

        # The grammar may move probability from tokens that it rules out to their nearest.
        logits = self._logits.copy()
        type(rules[0]).merge_mass(rules, logits)

        # Repetition penalty, constraints and bans of single pieces.
        for place, row in enumerate(self._rows):
            if row.is_plain and row.banned is None:
                continue
            if row.task.sampler.repetition_penalty > 1:
                logits[place] = _penalised_pitches(row, logits[place])
            if row.task.constraint is not None:
                wanted[place] = row.task.constraint.mask(row.rules, wanted[place])
                row.task.constraint.merge_mass(row.rules, wanted[place], logits[place])
            if row.banned is not None:
                wanted[place] = _without_pitch(row, wanted[place], row.banned[0])

        # One uniform number for each piece decides.
        uniform = np.array([next(row.uniform) for row in self._rows])
        tokens = self._sampler.draw(logits, wanted, uniform)
        nats = _nats(self._logits, tokens)
        for row, token, cost in zip(self._rows, tokens.tolist(), nats.tolist(), strict=True):
            row.tokens.append(token)
            row.nats.append(cost)
            row.rules.advance(token)
        return tokens

    def _run_network(self, tokens: NDArray[np.int64]) -> None:
        """Run the network on the drawn tokens."""
        padded = np.zeros(self._width, np.int32)
        padded[: len(tokens)] = tokens
        context = None
        if self._view:
            rules = [row.rules for row in self._rows]
            known = type(rules[0]).contexts(rules, self._view)
            context = np.zeros((self._width, known.shape[1]), np.uint16)
            context[: len(known)] = known
        logits, self._state = self._network.step(padded, self._state, context)
        self._logits = logits[: len(tokens)]


def _uniform(rng: np.random.Generator) -> Iterator[float]:
    """Yield uniform numbers in [0, 1): those that would be drawn one at a time, but faster."""
    while True:
        yield from rng.random(256).tolist()


def _penalised_pitches(row: _Row, logits: NDArray[np.float32]) -> NDArray[np.floating]:
    """Lower the logits of pitches that the piece struck recently."""
    config = row.task.sampler
    recent = row.rules.notes[-config.repetition_window :]
    pitches = [note.pitch for note in recent if not note.drum]
    return penalised(logits, _pitch_tokens(row.rules, pitches), config.repetition_penalty)


def _without_pitch(row: _Row, wanted: Mask, pitch: int) -> Mask:
    """Forbid a pitch, unless nothing else is left: grammar and constraints are stronger."""
    others = wanted.copy()
    others[_pitch_tokens(row.rules, [pitch])] = False
    return others if others.any() else wanted


def _pitch_tokens(rules: Grammar, pitches: Sequence[int]) -> list[int]:
    """Return the tokens that begin some pitches, in melodic parts."""
    first = rules.vocabulary.first
    begin = first["pitch" if "pitch" in first else "note_on"]
    return [begin + pitch for pitch in pitches]


def _nats(logits: NDArray[np.float32], tokens: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return −log p of a token in each row, `float64[B]`."""
    most = logits.max(axis=1)
    total = np.exp(logits - most[:, None]).sum(axis=1, dtype=np.float64)
    chosen = logits[np.arange(len(tokens)), tokens]
    return np.log(total) + most - chosen
