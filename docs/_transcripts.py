"""Reruns the commands that pages quote and updates the output: `python docs/_transcripts.py PAGE`.

In a page's `console` blocks, every line that begins with `$ ` is run, in the order of the page, in
one scratch folder that has a copy of `midi_data/`. What the command prints replaces the lines up to
the next command. Lines that are only `…` are kept as cuts: the output around them must match what
is quoted before and after. Examples in `pycon` blocks are run in the same folder, and must give
what they say.
"""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
NOISE = re.compile(r"(WARNING: All log messages before absl|[IWE]\d{4} \d\d:)")  # TensorFlow's
BLOCK = re.compile(r"^```(console|pycon)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def updated(page: str) -> str:
    """Return a page with the output of its commands as it is now."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "midi_data", Path(folder) / "midi_data")
        return BLOCK.sub(lambda block: _block(block, folder), page)


def _block(block: re.Match[str], folder: str) -> str:
    if block[1] == "pycon":
        _check(block[2], folder)
        return block[0]
    lines: list[str] = []
    quoted: list[str] = []
    for line in [*block[2].splitlines(), None]:
        if line is not None and not line.startswith("$ "):
            quoted.append(line)
            continue
        if lines:
            lines += _cut(_output(lines[-1][2:], folder), quoted)
        if line is not None:
            lines.append(line)
            quoted = []
    return "\n".join(["```console", *lines, "```"])


def _output(command: str, folder: str) -> list[str]:
    """Run a command, and return the lines that it prints."""
    print(f"$ {command}", file=sys.stderr, flush=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    found = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=os.environ | {"PATH": path, "COLUMNS": "100", "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    if found.returncode:
        raise SystemExit(f"exit code {found.returncode}: {command}\n{found.stdout}")
    lines = [line.rstrip() for line in found.stdout.rstrip().splitlines()]
    return [line for line in lines if not NOISE.match(line)]


def _cut(output: list[str], quoted: list[str]) -> list[str]:
    """Return the output, with as many lines before and after a cut as were quoted."""
    if "…" not in quoted:
        return output
    at = quoted.index("…")
    after = len(quoted) - at - 1
    return [*output[:at], "…", *output[len(output) - after :]]


def _check(example: str, folder: str) -> None:
    """Run an example in the folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        test = doctest.DocTestParser().get_doctest(example, {}, "example", None, 0)
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        if doctest.DocTestRunner(optionflags=flags).run(test).failed:
            raise SystemExit("an example gives something else")
    finally:
        os.chdir(before)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(updated(path.read_text(encoding="utf-8")), encoding="utf-8")
