"""How long does a person wait for `musegen compose`, from the shell, beside importing TensorFlow alone?

Runs both commands in turn as fresh processes, several times, and prints medians, their ratio and peak
memory. Results go to `benchmarks/results/bench_compose.json`.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROUNDS = 7


def run(arguments: list[str]) -> tuple[float, float]:
    """Return seconds and peak MiB of a command."""
    began = time.perf_counter()
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{arguments} failed with status {status}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def main() -> None:
    """Measure, print, and write the results."""
    with tempfile.TemporaryDirectory() as folder:
        seed = str(ROOT / "midi_data/seeds/ode_to_joy.mid")
        musegen = [sys.executable, "-m", "musegen"]
        commands = {
            "musegen compose, 16 bars": [
                *musegen, "compose", seed, "--bars", "16", "--seed", "1", "--force", "-o", f"{folder}/out.mid",
            ],
            "musegen --help": [*musegen, "--help"],
            "import tensorflow": [sys.executable, "-c", "import tensorflow"],
        }  # fmt: skip
        measured: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, arguments in commands.items():
                measured[name].append(run(arguments))
    rows = {
        name: {"seconds": statistics.median(s for s, _ in runs), "peak_mib": statistics.median(m for _, m in runs)}
        for name, runs in measured.items()
    }
    peer = rows["import tensorflow"]["seconds"]
    print(f"{'':26}{'seconds':>9}{'ratio':>8}{'MiB':>8}")
    for name, row in rows.items():
        row["ratio"] = row["seconds"] / peer
        print(f"{name:26}{row['seconds']:9.2f}{row['ratio']:8.2f}{row['peak_mib']:8.0f}")
    out = ROOT / "benchmarks/results/bench_compose.json"
    out.parent.mkdir(exist_ok=True)
    machine = {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": sys.version.split()[0],
    }
    versions = {name: version(name) for name in ("numpy", "tensorflow", "mido", "h5py")}
    out.write_text(
        json.dumps({"machine": machine, "versions": versions, "rounds": ROUNDS, "rows": rows}, indent=2) + "\n"
    )


if __name__ == "__main__":
    main()
