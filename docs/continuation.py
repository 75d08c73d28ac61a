"""Draws `docs/continuation.png`, the picture of the README: a melody and its continuation."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from musegen.generation.compose import pick
from musegen.score.reading import read_parts

ROOT = Path(__file__).parent.parent
SEED_FILE = "amazing_grace"
SEED = 7
BARS = 16
COLOURS = {"primer": "#4c566a", "continuation": "#d08770"}


def main() -> None:
    """Compose and draw."""
    primer = read_parts(ROOT / f"midi_data/seeds/{SEED_FILE}.mid")
    composer, _ = pick("auto", primer)
    made = composer.composition(primer, bars=BARS, seed=SEED)
    quarter = primer.ticks_per_quarter
    figure, axes = plt.subplots(figsize=(12, 3.2), dpi=110)
    for name, notes in (("primer", primer.notes), ("continuation", made.added)):
        axes.barh(
            notes["pitch"],
            notes["duration"] / quarter,
            left=notes["onset"] / quarter,
            height=0.8,
            color=COLOURS[name],
            label=name,
        )
    for line in made.score.barlines() / quarter:
        axes.axvline(line, color="#d8dee9", linewidth=0.7, zorder=0)
    axes.axvline(made.start / quarter, color="#bf616a", linewidth=1.6)
    octaves = [
        p for p in range(128) if p % 12 == 0 and axes.get_ylim()[0] <= p <= axes.get_ylim()[1]
    ]
    axes.set_yticks(octaves, [f"C{p // 12 - 1}" for p in octaves])
    axes.set_xlim(0, made.score.end / quarter)
    axes.set_xlabel("quarters")
    axes.legend(loc="upper left", frameon=False, ncols=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig(Path(__file__).with_name("continuation.png"))
    print(
        f"{made.checkpoint}, seed {made.seed}: {len(made.added)} notes, "
        f"{made.nats_per_note:.2f} nats per note"
    )


if __name__ == "__main__":
    main()
