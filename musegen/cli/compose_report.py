"""The report of `musegen compose`, as JSON and as text."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musegen.cli.tables import plural

if TYPE_CHECKING:
    from musegen.data.novelty import Copied
    from musegen.generation.composer import Composition

__all__ = ["report", "summary"]

REASONS = {
    "repetition": "repetition",
    "one note": "one note repeated",
    "copied": "matched a training piece",
}
"""Why a bar was rewritten → in the report."""


def report(
    primer: Path | None,
    output: Path,
    piece: Composition,
    candidates: dict[str, float],
    options: dict[str, Any],
    copied: Copied | None = None,
) -> dict[str, Any]:
    """Return the facts about a piece, as `--json` prints them."""
    return {
        "output": str(output),
        "primer": str(primer) if primer else None,
        "checkpoint": piece.checkpoint,
        "candidates": {name: round(nats, 3) for name, nats in candidates.items()},
        **{name: value for name, value in options.items() if name != "seed"},
        "seed": piece.seed,
        "start_tick": piece.start,
        "bars_of_rest": piece.bars_of_rest,
        "notes": len(piece.added),
        "seconds": round(piece.score.duration, 2),
        "nats_per_note": round(piece.nats_per_note, 3),
        "copied": None if copied is None else asdict(copied),
        "rewinds": [backtrack._asdict() for backtrack in piece.backtracks],
        "gave_way": piece.relaxed,
        "tracks_continued": list(piece.read),
        "tracks_left_out": [{"track": name, "reason": reason} for name, reason in piece.left_out],
        "undone": dict(piece.undone),
    }


def summary(facts: dict[str, Any]) -> str:
    """Return the report as text."""
    done, what = "continued", f"{plural(facts.get('bars', 0), 'bar')} added"
    if facts.get("fill"):
        first, last = facts["fill"]
        done, what = "filled", f"bar{f's {first} to' if last > first else ''} {last} filled"
    elif facts.get("inject"):
        done, what = "accompanied", "primer accompanied"
    scores = ", ".join(f"{name} {nats:.2f}" for name, nats in facts["candidates"].items())
    choice = f" (nats per note of the primer: {scores})" if len(facts["candidates"]) > 1 else ""
    lines = [
        f"{what} ({plural(facts['notes'], 'note')}); file length {facts['seconds']:.1f} s",
        f"checkpoint {facts['checkpoint']}{choice}",
        f"seed {facts['seed']}, {facts['nats_per_note']:.2f} nats per note",
    ]
    if facts["copied"] is not None:
        lines.append(_copied(facts["copied"]))
    lines += map(_backtrack, facts["rewinds"])
    if facts["gave_way"]:
        lines.append(
            f"{plural(facts['gave_way'], 'token')} violate a constraint: no other was possible"
        )
    if facts["tracks_continued"]:
        lines.append(f"{done}: {', '.join(facts['tracks_continued'])}")
    lines += [
        f"not {done}: {track['track']} ({track['reason']})" for track in facts["tracks_left_out"]
    ]
    if facts["bars_of_rest"]:
        rest = plural(facts["bars_of_rest"], "bar")
        lines.append(f"the new music begins after {rest} of rest at the primer's end")
    if facts["undone"]:
        changes = ", ".join(plural(count, name) for name, count in facts["undone"].items())
        lines.append(f"behind the primer, without effect on the new bars: {changes}")
    return "\n  ".join([facts["output"], *lines])


def _copied(copied: dict[str, Any]) -> str:
    if not copied["notes"]:
        return "longest copied run: none"
    return (
        f"longest copied run: {copied['notes']} notes, also in {copied['piece']} "
        f"from bar {copied['bar_there']}"
    )


def _backtrack(backtrack: dict[str, Any]) -> str:
    """Return what was done about a bar; bars are counted in the new music."""
    attempts = plural(backtrack["tries"], "attempt")
    kept = "" if backtrack["solved"] else "; last attempt kept"
    reason = REASONS[backtrack["reason"]]
    return f"new bar {backtrack['bar']} rewritten ({attempts}): {reason}{kept}"
