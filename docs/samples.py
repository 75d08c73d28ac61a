"""Draws `docs/samples/NAME.png`: ten continuations by each shipped checkpoint (`make docs`).

The primers are the ten of `midi_data/seeds` that the checkpoint predicts best; nothing else is
selected, and every piece is a first attempt.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from musegen import MusegenError, load
from musegen.generation.composer import Composer
from musegen.generation.request import Composition
from musegen.model import checkpoint

ROOT = Path(__file__).parent.parent
SEEDS = sorted(
    p for p in (ROOT / "midi_data/seeds").glob("*.mid") if not p.stem.endswith("-continued")
)
HOW_MANY = 10
BARS = 16
SEED = 1
KNOWN = "#4c566a"
ADDED = "#d08770 #5e81ac #a3be8c #b48ead #bf616a #88c0d0 #ebcb8b #8fbcbb".split()


def main() -> None:
    """Compose and draw."""
    folder = Path(__file__).parent / "samples"
    folder.mkdir(exist_ok=True)
    for name in checkpoint.available():
        composer = load(name)
        if composer.checkpoint.fills:
            continue
        figure, panels = plt.subplots(HOW_MANY // 2, 2, figsize=(16, 2 * HOW_MANY), dpi=80)
        for path, axes in zip(_best_predicted(composer), panels.flat, strict=True):
            _draw(composer.composition(path, bars=BARS, seed=SEED), path, axes)
        figure.tight_layout(h_pad=1.5)
        figure.savefig(folder / f"{name}.png")
        plt.close(figure)


def _best_predicted(composer: Composer) -> list[Path]:
    """Return the primers that the checkpoint predicts best, sorted by name."""
    nats = {}
    for path in SEEDS:
        try:
            nats[path] = composer.nats_per_note(path)
        except MusegenError:
            continue  # only drums, and the model has none
    return sorted(sorted(nats, key=nats.__getitem__)[:HOW_MANY])


def _draw(made: Composition, path: Path, axes: plt.Axes) -> None:
    """Draw a piano roll: the primer grey, new notes in one colour per track."""
    quarter = made.score.ticks_per_quarter
    primer = made.score.notes[made.score.notes["onset"] < made.start]
    rolls = [(primer, KNOWN)]
    rolls += [
        (made.added[made.added["track"] == track], ADDED[track % len(ADDED)])
        for track in np.unique(made.added["track"])
    ]
    for notes, colour in rolls:
        axes.barh(
            notes["pitch"],
            notes["duration"] / quarter,
            left=notes["onset"] / quarter,
            height=0.9,
            color=colour,
        )
    for line in made.score.barlines() / quarter:
        axes.axvline(line, color="#e5e9f0", linewidth=0.6, zorder=0)
    axes.axvline(made.start / quarter, color="#bf616a", linewidth=1.2)
    low, high = axes.get_ylim()
    octaves = [pitch for pitch in range(0, 128, 12) if low <= pitch <= high]
    axes.set_yticks(octaves, [f"C{pitch // 12 - 1}" for pitch in octaves])
    axes.set_xlim(0, made.score.end / quarter)
    axes.set_xticks([])
    axes.set_title(
        f"{path.stem}: {made.nats_per_note:.2f} nats per note added", loc="left", fontsize=11
    )
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)


if __name__ == "__main__":
    main()
