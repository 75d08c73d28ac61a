"""The token loop: many pieces side by side, each by its own rules, settings and random numbers.

It knows a network, grammars and samplers, and nothing of music files. A piece comes out the same,
to the bit, however many stand beside it: its random numbers are its own, and the network's step is
computed for numbers of rows (`Network.widths`) that do not change how it is rounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musegen.encoding.context import ALONE, View
from musegen.encoding.grammar import Grammar, allowed
from musegen.generation.guards import Violation
from musegen.generation.sampling import Sampler, penalised
from musegen.generation.tasks import Backtrack, Generated, Network, Task

__all__ = ["generate"]

# Times that a violation is written over at a higher temperature before its pitch is forbidden there
TRIES = 3
MOST_TRIES = 9  # after which it is left as it is, and the report says so
WARM = 0.7  # a violation is never written over at a lower temperature than
WARMER = 0.3  # … and this share of it more with each try


class _Save(NamedTuple):
    """A barline to come back to."""

    step: int
    bar: int
    length: int
    logits: NDArray[np.float32]
    state: Any
    rules: Grammar


@dataclass
class _Row:
    """A piece while it is written."""

    index: int
    task: Task
    rules: Grammar = field(init=False)
    first: int = field(init=False)
    """Index of the first note that is written here."""
    tokens: list[int] = field(default_factory=list)
    nats: list[float] = field(default_factory=list)
    saves: list[_Save] = field(default_factory=list)
    tries: dict[tuple[int, str], int] = field(default_factory=dict)
    temperature_scale: float = 1.0
    until: int = 0
    """Number of bars from which on the temperature is as it was."""
    banned: tuple[int, int] | None = None
    """A pitch that is not to be struck, and the number of bars from which on it may be."""

    def __post_init__(self) -> None:
        self.rules = self.task.rules
        self.first = len(self.rules.notes)
        self._begins = max(self.rules.bars, 1)
        self.numbers = _numbers(self.task.rng)

    def keep(self, logits: NDArray[np.float32], state: Any) -> None:
        """Remember this barline, with the logits for what comes next and the state before it."""
        if self.task.guards:
            at = self.rules.now, self.rules.bars, len(self.tokens)
            self.saves.append(_Save(*at, logits, state, self.rules.copy()))

    def violation(self) -> Violation | None:
        """Return what a guard finds, if there is anything left to do about it."""
        for guard in self.task.guards:
            for found in guard.violations(self.rules, self.first):
                if self.tries.get((self._before(found).bar, found.reason), 0) < MOST_TRIES:
                    return found
        return None

    def _before(self, violation: Violation) -> _Save:
        """Return the last barline that is not behind a violation."""
        return next(
            (save for save in reversed(self.saves) if save.step <= violation.onset), self.saves[0]
        )

    def backtrack(self, violation: Violation) -> _Save:
        """Go back to before a violation, in a mood for something else."""
        save, bars = self._before(violation), self.rules.bars
        tries = self.tries[save.bar, violation.reason] = (
            self.tries.get((save.bar, violation.reason), 0) + 1
        )
        self.saves = [other for other in self.saves if other.bar <= save.bar]
        del self.tokens[save.length :], self.nats[save.length :]
        self.rules = save.rules.copy()
        temperature = self.task.sampler.temperature
        self.temperature_scale, self.until = (
            max(temperature, WARM) * (1 + WARMER * tries) / temperature,
            bars,
        )
        self.banned = (violation.pitch, save.bar + 1) if tries > TRIES else None
        return save

    def turn(self) -> None:
        """Begin a bar."""
        if self.rules.bars > self.until:
            self.temperature_scale = 1.0
        if self.banned is not None and self.rules.bars > self.banned[1]:
            self.banned = None

    def generated(self) -> Generated:
        """Return the finished piece."""
        backtracks = tuple(
            Backtrack(max(bar - self._begins, 0) + 1, reason, tries, tries < MOST_TRIES)
            for (bar, reason), tries in sorted(self.tries.items())
        )
        relaxed = self.task.constraint.relaxed if self.task.constraint else 0
        return Generated(np.array(self.tokens, np.int32), np.array(self.nats), backtracks, relaxed)


def generate(
    network: Network, tasks: Iterable[Task], view: View = ALONE
) -> Iterator[tuple[int, Generated]]:
    """Write pieces until their rules are finished.

    Args:
        network: What gives logits.
        tasks: The pieces, taken when there is room for another.
        view: What the network sees beside the tokens.

    Yields:
        Pieces with their numbers in `tasks`, as they are finished.
    """
    source = iter(enumerate(tasks))
    loop = _Loop(network, view)
    while True:
        while len(loop.rows) < network.widths[-1] and (task := next(source, None)) is not None:
            loop.add(*task)
        if not loop.rows:
            return
        yield from loop.step()


class _Loop:
    """The pieces that are being written: a row of the network for each, and some more that make up its width."""

    def __init__(self, network: Network, view: View) -> None:
        self.network, self.view = network, view
        self.rows: list[_Row] = []
        self._moved: dict[int, tuple[NDArray[np.float32], Any]] = {}
        """Number of a piece → logits and state with which it goes on, if not with those that were just heard."""
        self._logits = np.zeros((0, 0), np.float32)  # [rows, V]
        self._state: Any = None
        self._width = 0
        self._places: list[int] = []  # numbers of the pieces in the rows of the state
        self._sampler = Sampler(())

    def add(self, index: int, task: Task) -> None:
        """Take a piece in."""
        row = _Row(index, task)
        row.keep(task.logits, task.state)
        self.rows.append(row)
        self._moved[index] = (task.logits, task.state)

    def step(self) -> Iterator[tuple[int, Generated]]:
        """Write a token of every piece, and yield those that are finished."""
        if self._moved or len(self._places) != len(self.rows):
            self._arrange()
        bars = [row.rules.bars for row in self.rows]
        self._hear(self._write())
        rows, self.rows = self.rows, []
        for place, (row, bar) in enumerate(zip(rows, bars, strict=True)):
            if row.rules.bars != bar or row.rules.finished:
                violation = row.violation()
                if violation is not None:
                    save = row.backtrack(violation)
                    self._moved[row.index] = (save.logits, save.state)
                elif row.rules.finished:
                    yield row.index, row.generated()
                    continue
                else:
                    row.turn()
                    row.keep(self._logits[place].copy(), self.network.rows([self._state], [place]))
                self._sampler.temperature_scale[place] = row.temperature_scale
            self.rows.append(row)

    def _arrange(self) -> None:
        """Put the pieces that there are now into rows, as many as one of the network's widths."""
        width = next(width for width in self.network.widths if width >= len(self.rows))
        where = {index: place for place, index in enumerate(self._places)}
        states = [] if self._state is None else [self._state]
        count = self._width
        sources, logits = [], []
        for row in self.rows:
            if row.index in self._moved:
                mine, state = self._moved[row.index]
                sources.append(count)
                states.append(state)
                count += 1
            else:
                mine = self._logits[where[row.index]]
                sources.append(where[row.index])
            logits.append(mine)
        self._logits = np.stack(logits)
        self._state = self.network.rows(states, sources + sources[:1] * (width - len(sources)))
        self._width, self._places, self._moved = width, [row.index for row in self.rows], {}
        self._sampler = Sampler(
            [row.task.sampler for row in self.rows], self.rows[0].rules.vocabulary
        )
        self._sampler.temperature_scale[:, 0] = [row.temperature_scale for row in self.rows]
        self._forbidden = np.stack([row.task.forbidden for row in self.rows])
        self._choosy = [
            (place, row)
            for place, row in enumerate(self.rows)
            if row.task.constraint or row.task.sampler.repetition_penalty > 1
        ]

    def _write(self) -> NDArray[np.int64]:
        """Choose a token for every piece, and let its rules take it."""
        may = allowed([row.rules for row in self.rows])
        wanted = may & ~self._forbidden
        logits = self._logits.copy()
        type(self.rows[0].rules).merge_mass([row.rules for row in self.rows], logits)
        stuck = ~wanted.any(axis=1)
        wanted[stuck] = may[stuck]
        for place, row in self._choosy:
            config = row.task.sampler
            if config.repetition_penalty > 1:
                recent = [
                    note.pitch
                    for note in row.rules.notes[-config.repetition_window :]
                    if not note.drum
                ]
                logits[place] = penalised(
                    logits[place], _struck(row.rules, recent), config.repetition_penalty
                )
            if row.task.constraint is not None:
                wanted[place] = row.task.constraint.mask(row.rules, wanted[place])
                row.task.constraint.merge_mass(row.rules, wanted[place], logits[place])
        for place, row in enumerate(self.rows):
            if row.banned is not None:  # what is asked of the piece is stronger
                others = wanted[place].copy()
                others[_struck(row.rules, [row.banned[0]])] = False
                wanted[place] = others if others.any() else wanted[place]
        uniform = np.array([next(row.numbers) for row in self.rows])
        tokens = self._sampler.draw(logits, wanted, uniform)
        nats = _nats(self._logits, tokens)
        for row, token, cost in zip(self.rows, tokens.tolist(), nats.tolist(), strict=True):
            row.tokens.append(token)
            row.nats.append(cost)
            row.rules.advance(token)
        return tokens

    def _hear(self, tokens: NDArray[np.int64]) -> None:
        """Let the network hear what was written."""
        heard = np.zeros(self._width, np.int32)
        heard[: len(tokens)] = tokens
        context = None
        if self.view:
            known = type(self.rows[0].rules).contexts([row.rules for row in self.rows], self.view)
            context = np.zeros((self._width, known.shape[1]), np.uint16)
            context[: len(known)] = known
        logits, self._state = self.network.step(heard, self._state, context)
        self._logits = logits[: len(tokens)]


def _numbers(rng: np.random.Generator) -> Iterator[float]:
    """Yield numbers of [0, 1), the same ones that would come one at a time."""
    while True:
        yield from rng.random(256).tolist()


def _struck(rules: Grammar, pitches: Sequence[int]) -> list[int]:
    """Return the tokens that strike some pitches of melodic parts."""
    first = rules.vocabulary.first
    begin = first["pitch" if "pitch" in first else "note_on"]
    return [begin + pitch for pitch in pitches]


def _nats(logits: NDArray[np.float32], tokens: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return −log p of a token in each row, `float64[B]`."""
    most = logits.max(axis=1)
    total = np.exp(logits - most[:, None]).sum(axis=1, dtype=np.float64)
    chosen = logits[np.arange(len(tokens)), tokens]
    out: NDArray[np.float64] = np.log(total) + most - chosen
    return out
