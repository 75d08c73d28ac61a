"""Writes `docs/results.md` from the records in `docs/results/`, and these from runs.

`make docs` writes the page, `make tables` the records. A record holds what the page reports about a
run: its size, its time, its curve, and the figures of `musegen evaluate`. It is made from
`RUNS/NAME`, a checkpoint that was trained by `recipes/NAME.toml`, and `RUNS/NAME-store`, its data.
"""

from __future__ import annotations

import json
import math
import platform
import sys
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from _calibration import calibrated

from musegen import load
from musegen.cli.recipes import Recipe
from musegen.evaluation import evaluated
from musegen.training.curves import svg
from musegen.training.runs import find, in_words

ROOT = Path(__file__).parent.parent
RECORDS = ROOT / "docs/results"
PARTS = ("validation", "test")
MEASURED = "not yet measured"


@dataclass(frozen=True)
class Table:
    """A comparison with published figures.

    Attributes:
        name: Of the recipe, the run and the record.
        title: Heading.
        unit: One of `musegen.evaluation.UNITS`.
        words: The unit in words.
        part: The pieces that the published figures describe.
        published: Model and figure.
        target: The figure to stay below, or as a fraction, the share of the n-gram's figure.
        note: Caveats of the comparison.
        frame: Length of a frame as a share of a whole note.
        voices: In a frame.
        nats: Nats in one unit of a figure.
        rest: What the distance to the best figure seems to consist of, and what was tried.
    """

    name: str
    title: str
    unit: str
    words: str
    part: str
    published: tuple[tuple[str, float], ...]
    target: float | Fraction
    note: str
    frame: Fraction | None = None
    voices: int | None = None
    nats: float = 1.0
    rest: str = ""


UNITS = """## Are the units right?

Simple models of the same data, counted here in the token stores, next to the figures that others
found for such models. Nats per cell or frame. A bigram knows the voice's last cell; "each pitch
by itself" is what the paper of 2012 calls a note 1-gram.

| data | part | model | here | others |
|---|---|---|---|---|
"""
OTHERS = {("jsb4", "each pitch by itself"): 11.06, ("nottingham", "each pitch by itself"): 10.25}
"""From the paper of 2012."""

LOOKED = """## What it looks like

Ten continuations by sixteen bars for each shipped checkpoint that continues music, drawn by
`docs/samples.py`: the ten seeds that it predicts best, temperature 1, first attempts. Grey is the
primer.

`folk`: phrases of four and eight bars come back, often with another ending, and end on long
notes; eighths stay eighths in a jig. Some continuations rise to the register of fiddles, wherever
the primer was (`ode_to_joy`).

![Piano rolls: ten tunes, and how folk continues them](samples/folk.png)

`chorales`: four voices continue as four voices, each in its register (`old_hundredth`). Single
lines stay in theirs, too, but notes become shorter and phrases are lost (`amazing_grace`); two
hands of a piano become two slow voices (`minuet_in_g`). `auto` gives it no single lines.

![Piano rolls: ten tunes, and how chorales continues them](samples/chorales.png)

`songs`: hands stay hands (`minuet_in_g`) and patterns continue (`jesu_joy`); keys and registers
wander, more so after ten bars, and lines become denser than the primer's. Most of these seeds are
not its kind of music: `auto` gives it `minuet_in_g`, `frere_jacques`, `tempo_and_pedal`,
`swing_blues`, `balkan_seven`, the others to `folk` and `chorales`.

![Piano rolls: ten tunes, and how songs continues them](samples/songs.png)
"""

PAPER = "Boulanger-Lewandowski et al. 2012"
DBN_LSTM = "DBN-LSTM (Vohra, Goel and Sahoo 2015, as quoted by Bai et al. 2018; an estimate)"
TABLES = (
    Table(
        name="jsb16",
        title="Bach's chorales on a grid of sixteenths",
        unit="cell",
        words="nats per cell (frame × voice)",
        part="validation",
        published=(
            ("Coconet, chronological (Huang et al. 2017)", 0.436),
            ("Transformer (Huang et al. 2019)", 0.417),
            ("Music Transformer (Huang et al. 2019)", 0.335),
        ),
        target=0.40,
        note=(
            "Every cell counts, including the first frame and the end of each piece; no cell is "
            "given. A note's length is encoded where it begins, so single cells do not compare, "
            "but their sum does. Reproductions of the two transformers by others gave 0.50 to "
            "0.91."
        ),
        frame=Fraction(1, 16),
        voices=4,
        rest=(
            "Lookback reduced the figure from 0.437 to 0.404; twice the epochs, more dropout "
            "(0.42 after 0.35), weight decay, and parts left out in a tenth of the pieces reduced"
            " it to this. The remaining distance to the best figure seems to be overfitting: "
            "without dropout the network has 0.392 nats per token on its training pieces and "
            "0.529 on validation. Before the last step the most expensive tokens were rests in "
            "the middle of a piece and voices that enter late, which the training pieces hardly "
            "have, at 7 to 24 nats each. What did not help: training on from finished weights "
            "with other settings (the validation figure rises while the learning rate is high), "
            "and 2 × 384 units with dropout 0.5, which were behind after 46 epochs (0.605 against"
            " 0.572 nats per token) and were abandoned."
        ),
    ),
    Table(
        name="jsb4",
        title="Bach's chorales in quarter frames",
        unit="frame",
        words="nats per frame, joint",
        part="test",
        published=((f"RNN-RBM ({PAPER})", 6.27), (f"RNN-NADE ({PAPER})", 5.56), (DBN_LSTM, 3.47)),
        target=5.5,
        note=(
            "The table has models whose pitches within a frame depend on each other. Independent "
            "ones (LSTM 8.45, GRU 8.43, TCN 8.10: Bai et al. 2018) belong to another class. The "
            "likelihood of musegen is exact; that of DBN-LSTM depends on a partition function, "
            "which is estimated by sampling. The split was not made with copies in mind: half of "
            "the test pieces have 18 consecutive notes in common with a training piece, one has "
            "102."
        ),
        frame=Fraction(1, 4),
    ),
    Table(
        name="nottingham",
        title="Nottingham tunes with chords in quarter frames",
        unit="frame",
        words="nats per frame, joint",
        part="test",
        published=((f"RNN-RBM ({PAPER})", 2.39), (f"RNN-NADE ({PAPER})", 2.31), (DBN_LSTM, 1.32)),
        target=2.2,
        note=(
            "As above; independent models: LSTM 3.29, GRU 3.46, TCN 3.07 (Bai et al. 2018). Most "
            "of these tunes repeat themselves, which a network with lookback exploits. Test tunes"
            " have up to 257 consecutive notes in common with a training tune, half of them 14."
        ),
        frame=Fraction(1, 4),
    ),
    Table(
        name="folk",
        title="Folk tunes",
        unit="note",
        words="bits per note",
        part="test",
        published=(),
        target=Fraction(3, 4),
        note=(
            "Tunes that share a run of sixteen melodic intervals, in any key, are in the same "
            "part of the split. The n-gram is that of orders 1 to 8 which predicts the validation"
            " pieces best."
        ),
        nats=math.log(2),
    ),
)


def record(table: Table, runs: Path) -> dict[str, Any]:
    """Return the record of a run."""
    checkpoint = load(runs / table.name).checkpoint
    (run,) = find([runs / table.name])
    (RECORDS / f"{table.name}.svg").write_text(svg([run], [table.name]), encoding="utf-8")
    said = checkpoint.provenance
    parts = {
        part: asdict(
            evaluated(
                checkpoint,
                runs / f"{table.name}-store",
                part,
                frame=table.frame,
                voices=table.voices,
            )
        )
        for part in PARTS
    }
    return {
        "model": in_words(checkpoint.model),
        "weights": sum(array.size for arrays in checkpoint.weights().values() for array in arrays),
        **{key: said[key] for key in ("device", "keras", "epochs", "best_epoch", "seconds")},
        "data": said["data"]["sha256"],
        "machine": f"{platform.machine()}, {platform.system()}",
        "evaluations": {
            part: {
                "pieces": len(found["rows"]),
                "sha256": found["sha256"],
                "predictors": [
                    {"name": p["name"], "order": p["order"], **p["per"][table.unit]}
                    for p in found["predictors"]
                ],
            }
            for part, found in parts.items()
        },
    }


def section(table: Table) -> str:
    """Return the page's section on a table."""
    path = RECORDS / f"{table.name}.json"
    recipe = Recipe.read(ROOT / f"recipes/{table.name}.toml")
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    lines = [f"## {table.title}\n", f"{recipe.about}. {table.note}\n"]
    lines += [f"| {table.words} | {' | '.join(PARTS)} |", "|---|---|---|"]
    for who, value in table.published:
        lines.append(
            f"| {who} | "
            + " | ".join(f"{value:g}" if part == table.part else "" for part in PARTS)
            + " |"
        )
    if known is None:
        return "\n".join(
            [*lines, f"| musegen, `recipes/{table.name}.toml` | {MEASURED} | {MEASURED} |\n"]
        )
    of = known["evaluations"]
    for rows in zip(*(of[part]["predictors"] for part in PARTS), strict=True):
        name = rows[0]["name"] if rows[0]["name"] != "n-gram" else f"{rows[0]['order']}-gram"
        who = f"**musegen**, `recipes/{table.name}.toml`" if name == "model" else name
        figures = ([row[key] / table.nats for key in ("value", "low", "high")] for row in rows)
        cells = " | ".join(f"{value:.3f} ({low:.3f} to {high:.3f})" for value, low, high in figures)
        lines.append(f"| {who} | {cells} |")
    right = (
        "the recipe's data" if known["data"] == recipe.sha256 else "other data than the recipe's"
    )
    run = (
        f"{known['model']}, {known['weights']:,} weights; the best of {known['epochs']} epochs was "
        f"{known['best_epoch']}, {known['seconds'] / 60:.0f} minutes on {known['device']}, "
        f"Keras {known['keras']}; {right}"
    )
    lines.append(f"\n{_reached(table, of[table.part]['predictors'])} {run}.\n")
    if table.rest:
        lines.append(f"{table.rest}\n")
    lines.append(f"![Nats per token by epoch](results/{table.name}.svg)\n")
    head = (ROOT / f"recipes/{table.name}.toml").read_text(encoding="utf-8").splitlines()
    return "\n".join(
        [*lines, "```bash", *(line[2:] for line in head if line.startswith("# musegen")), "```\n"]
    )


def _reached(table: Table, predictors: list[dict[str, Any]]) -> str:
    """Return whether the target is reached."""
    mine, grams = (row["value"] / table.nats for row in predictors[:2])
    wanted, found, limit = f"below {float(table.target):g}", f"{mine:.3f}", float(table.target)
    if isinstance(table.target, Fraction):
        wanted, found = (
            f"{float(1 - table.target):.0%} fewer than the n-gram",
            f"{1 - mine / grams:.1%} fewer",
        )
        limit *= grams
    return (
        f"Target: {table.part}, {wanted}: {'reached' if mine < limit else 'not reached'} ({found})."
    )


INTRODUCTION = """# Results

Written by `docs/results.py` from the records in `docs/results/`; do not edit. `make tables
RUNS=runs` makes the records again from runs, with [`musegen evaluate`](evaluation.md). In
brackets: 95 % intervals, from a bootstrap over pieces. Hyper-parameters were chosen on the
validation pieces. The data are not part of musegen; recipes identify them by their hash. The
figures of others are quoted.

In short: on the frames of 2012 these networks are below RNN-NADE (4.740 against 5.56 nats on JSB
quarters, 1.325 against 2.31 on Nottingham) and above the estimates printed for DBN-LSTM (3.47 and
1.32). On chorales in sixteenths they are below the Transformer (0.392 against 0.417 on the
validation pieces) and above the Music Transformer (0.335).
"""


def units() -> str:
    """Return the page's section on units."""
    path = RECORDS / "calibration.json"
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    titles = {table.name: table.title for table in TABLES}
    return UNITS + "".join(
        f"| {titles[row['set']]} | {row['part']} | {row['model']} | {row['nats']:.3f} "
        f"| {OTHERS.get((row['set'], row['model']), '')} |\n"
        for row in rows
    )


def main() -> None:
    """Write the records of the runs in a folder, if one is named, and then the page."""
    if runs := [Path(argument) for argument in sys.argv[1:]]:
        for table in TABLES:
            if (runs[0] / table.name / "config.json").exists():
                RECORDS.mkdir(exist_ok=True)
                made = json.dumps(record(table, runs[0]), indent=1)
                (RECORDS / f"{table.name}.json").write_text(made + "\n", encoding="utf-8")
        found = json.dumps(calibrated(runs[0]), indent=1)
        (RECORDS / "calibration.json").write_text(found + "\n", encoding="utf-8")
    page = "\n".join([INTRODUCTION, *map(section, TABLES), units(), LOOKED])
    (ROOT / "docs/results.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
