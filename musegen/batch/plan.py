"""Plan a batch: piece number → primer, options, seed and file name; stored as `batch.json`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from secrets import randbelow
from typing import Any, Self

from musegen._version import __version__
from musegen.batch.primers import (
    AUTO,
    Primer,
    checkpoint_name,
    checkpoint_path,
    find,
    survey,
    weights_sha256,
)
from musegen.batch.sweeps import Sweep, grid_size, point
from musegen.config import differences, require
from musegen.errors import CheckpointError, ConfigError, MusegenError
from musegen.generation.compose import pick
from musegen.generation.constraints import check
from musegen.generation.request import SEEDS, Request, derived_seed
from musegen.score import Score
from musegen.utils.files import atomic_path

__all__ = ["BATCH", "Item", "Plan", "planned"]

BATCH = "batch.json"
FORMAT = 1


@dataclass(frozen=True)
class Item:
    """A piece to make.

    Attributes:
        index: Its number, from 0.
        file: Name of its MIDI file.
        primer: The music to continue.
        seed: Of the random numbers.
        options: As `Request.of` takes them, without the seed.
    """

    index: int
    file: str
    primer: Primer
    seed: int
    options: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """A batch.

    With P primers, piece `i` continues primer `i mod P`. Each round of the primers uses the next
    point of the grid of sweeps.

    Attributes:
        folder: Absolute path of the folder with its files.
        primers: At least one; new pieces have one with the path None.
        count: Number of pieces.
        seed: The seeds of the pieces are derived from it.
        options: All options of a `Request` except primer and seed.
        sweep: Options that take several values in turn.
        asked: The requested checkpoint, `auto` or as in `Primer`.
        checkpoints: Checkpoint, as in `Primer` → SHA-256 of its weights.
        only_continuation: Whether to leave the primers out of the files.
        version: Of musegen.

    >>> tunes = (Primer("a.mid", "c0ffee", "folk"), Primer("b.mid", "decade", "folk"))
    >>> plan = Plan(Path("/out"), tunes, 4, seed=1, options={}, sweep={"bars": [4, 8]})
    >>> [(plan.item(i).file, plan.item(i).options) for i in (1, 2)]
    [('00001-b.mid', {'bars': 4}), ('00002-a.mid', {'bars': 8})]
    """

    folder: Path
    primers: tuple[Primer, ...]
    count: int
    seed: int
    options: Mapping[str, Any]
    sweep: Sweep = field(default_factory=dict)
    asked: str = "auto"
    checkpoints: Mapping[str, str] = field(default_factory=dict)
    only_continuation: bool = False
    version: str = ""

    def item(self, index: int) -> Item:
        """Return a piece of the plan."""
        rounds, which = divmod(index, len(self.primers))
        primer = self.primers[which]
        options = {**self.options, **point(self.sweep, rounds % grid_size(self.sweep))}
        return Item(index, self.file(index), primer, derived_seed(self.seed, index), options)

    def file(self, index: int) -> str:
        """Return the name of a piece's file."""
        width = max(5, len(str(self.count - 1)))
        return f"{index:0{width}d}-{self.primers[index % len(self.primers)].stem}.mid"

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON values, without the folder."""
        return {
            "version": self.version,
            "seed": self.seed,
            "count": self.count,
            "checkpoint": self.asked,
            "checkpoints": dict(self.checkpoints),
            "only_continuation": self.only_continuation,
            "options": dict(self.options),
            "sweep": {name: list(values) for name, values in self.sweep.items()},
            "primers": [asdict(primer) for primer in self.primers],
        }

    @classmethod
    def from_dict(cls, folder: Path, values: Mapping[str, Any]) -> Self:
        """Return the plan of `to_dict`, for a folder."""
        return cls(
            folder=folder,
            primers=tuple(Primer(**primer) for primer in values["primers"]),
            count=int(values["count"]),
            seed=int(values["seed"]),
            options=dict(values["options"]),
            sweep=dict(values["sweep"]),
            asked=values["checkpoint"],
            checkpoints=dict(values["checkpoints"]),
            only_continuation=bool(values["only_continuation"]),
            version=values["version"],
        )

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Return the plan in a folder's `batch.json`; None if there is no such file.

        Raises:
            MusegenError: The file is damaged, or of another version.
        """
        path = folder / BATCH
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if values["format"] != FORMAT:
                raise ValueError(f"format {values['format']}")
            return cls.from_dict(folder, values["plan"])
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise MusegenError(
                f"{path} must be a plan of `musegen batch`, format {FORMAT}. Received: "
                f"{error!r:.200}. Choose another --output-dir, or remove the file and its batch."
            ) from error

    def save(self) -> None:
        """Write `batch.json`."""
        values = {"format": FORMAT, "plan": self.to_dict()}
        with atomic_path(self.folder / BATCH) as temporary:
            temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")

    def differences(self, other: Plan) -> list[str]:
        """Return how this plan, the earlier one, differs from another, as phrases for a message.

        A primer that could not be read earlier may have changed: its pieces are tried again.
        """
        before = {primer.path: primer for primer in self.primers}
        after = {primer.path: primer for primer in other.primers}
        out = [f"the primer {path} is there and not here" for path in before if path not in after]
        out += [f"the primer {path} is here and not there" for path in after if path not in before]
        if not out and list(before) != list(after):
            out.append("the primers are in another order")
        for path, old in before.items():
            new = after.get(path, old)
            if old.sha256 != new.sha256 and not old.problem:
                out.append(f"the primer {path} has changed")
            elif old != new and not old.problem:
                out.append(f"the primer {path} is continued by another checkpoint")
        for name, sha256 in self.checkpoints.items():
            if other.checkpoints.get(name, sha256) != sha256:
                out.append(f"the checkpoint {name} has changed")
        settings = differences(self._settings(), other._settings())
        return [*out, settings] if settings else out

    def _settings(self) -> dict[str, Any]:
        """Return all settings, options included, by name."""
        apart = ("primers", "checkpoints", "options")
        values = {name: value for name, value in self.to_dict().items() if name not in apart}
        return values | dict(self.options)


def planned(
    sources: Iterable[str | Path],
    output_dir: str | Path,
    *,
    count: int | None = None,
    per_primer: int | None = None,
    sweep: Sweep | None = None,
    seed: int | None = None,
    checkpoint: str | Path = AUTO,
    only_continuation: bool = False,
    workers: int = 1,
    force: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    **options: Any,
) -> Plan:
    """Return the plan of a batch. Nothing is written.

    Args:
        sources: Primers: files, folders and patterns; none for new pieces.
        output_dir: The folder of the batch. If it has a batch already, that batch's seed is the
            default, and primers that are still the same are not read again.
        count: Number of pieces, over all primers in turn.
        per_primer: Pieces of each primer, in place of `count`. With neither, each primer gets one
            piece for each point of the grid of sweeps.
        sweep: Options that take several values, as from `parse_sweeps`.
        seed: The seeds of the pieces are derived from it; at least 0. None draws one.
        checkpoint: A name, a path, or `auto` for the one that predicts each primer best.
        only_continuation: Leave the primers out of the files.
        workers: Number of processes that read primers.
        force: Ignore a batch that the folder has.
        on_progress: Called with (primers done, primers in all).
        **options: As for `Composer.composition`.

    Raises:
        ConfigError: An option, or a value of a sweep, is unknown or out of range.
        MusegenError: The sources have no music, there is no such checkpoint, or the `batch.json` of
            the folder is damaged.

    >>> plan = planned([], "out", count=2, seed=7, bars=4, checkpoint="folk")
    >>> plan.item(1).file, plan.item(1).seed, plan.item(1).options["bars"]
    ('00001-folk.mid', 1728275801, 4)
    """
    one = (count is None) or (per_primer is None)
    require(one, "either count or per_primer must be given", (count, per_primer), "Leave one out.")
    for name, value in (("count", count), ("per_primer", per_primer), ("workers", workers)):
        require(value is None or value >= 1, f"{name} must be >= 1", value, "Use 1 or more.")
    natural = seed is None or seed >= 0
    require(natural, "seed must be >= 0", seed, "Use 0 or any larger integer.")

    # The options, the checkpoint, and the batch that the folder may have already
    folder = Path(output_dir).resolve()
    sources, sweep = list(sources), dict(sweep or {})
    options = _checked(options, sweep, Score() if sources else None)
    earlier = None if force else Plan.load(folder)
    asked = AUTO if str(checkpoint) == AUTO else _continuing(checkpoint, folder)
    paths = find(sources, folder)

    # The primers, and the weights that continue them
    primers: tuple[Primer, ...]
    if sources:
        inject = bool(options.get("inject"))
        known = _known(earlier, asked, inject)
        primers = survey(paths, folder, asked, inject, known, workers, on_progress)
    else:
        primers = (Primer(None, None, _continuing(AUTO, folder) if asked == AUTO else asked),)
    used = sorted({primer.checkpoint for primer in primers} - {""})
    hashes = {name: weights_sha256(checkpoint_path(name, folder)) for name in used}

    if seed is None:
        seed = earlier.seed if earlier else randbelow(SEEDS)
    pieces = count or (per_primer or grid_size(sweep)) * len(primers)
    limit = f"a batch must have at most {SEEDS} pieces"
    require(pieces <= SEEDS, limit, pieces, "Make several batches.")
    return Plan(
        folder, primers, pieces, seed, options, sweep, asked, hashes, only_continuation, __version__
    )


def _checked(options: Mapping[str, Any], sweep: Sweep, primer: Score | None) -> dict[str, Any]:
    """Return all options by name, defaults included, after checking every value of the sweep."""
    try:
        for name, values in sweep.items():
            for value in values:
                check(Request.of(primer, {**options, name: value}).constraints)
        request = Request.of(primer, options)
        check(request.constraints)
        out = request.to_dict()
    except TypeError as error:
        raise ConfigError(f"options must be those of musegen compose: {error}.") from error
    return {name: value for name, value in out.items() if name != "seed"}


def _continuing(checkpoint: str | Path, folder: Path) -> str:
    """Return the name in a manifest of a checkpoint that continues music."""
    found = pick(checkpoint, None)[0].checkpoint
    if found.fills:
        raise CheckpointError(
            f"a model that continues music was expected. Received: {found.name}, which fills gaps. "
            "Use another checkpoint."
        )
    return checkpoint_name(found.path, folder)


def _known(earlier: Plan | None, asked: str, inject: bool) -> dict[str, Primer]:
    """Return the primers of an earlier plan whose choice of a checkpoint still holds, by path."""
    if earlier is None or (earlier.asked, earlier.options.get("inject", False)) != (asked, inject):
        return {}
    unchanged = set()
    for name, sha256 in earlier.checkpoints.items():
        try:
            directory = checkpoint_path(name, earlier.folder)
        except CheckpointError:
            continue
        if weights_sha256(directory) == sha256:
            unchanged.add(name)
    return {p.path: p for p in earlier.primers if p.path and p.checkpoint in unchanged}
