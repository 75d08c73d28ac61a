"""The public names, and what importing them costs."""

import doctest
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

import musegen
from musegen.cli import main
from musegen.utils.deprecation import MOVED
from tests.helpers import ROOT


def test_public_names_are_these_and_all_exist():
    assert musegen.__all__ == [
        "CheckpointError",
        "Composer",
        "ConfigError",
        "ConstraintConfig",
        "Encoder",
        "EncoderConfig",
        "EncodingError",
        "MidiError",
        "ModelConfig",
        "MusegenError",
        "Request",
        "SamplerConfig",
        "Score",
        "Store",
        "Track",
        "TrainingConfig",
        "TrainingError",
        "compose",
        "infill",
        "ingest",
        "load",
        "read",
        "surprisal",
        "train",
    ]
    for name in musegen.__all__:
        assert getattr(musegen, name).__doc__, name
    assert set(musegen.__all__) == set(musegen._HOME)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        musegen.nothing  # noqa: B018


@pytest.mark.parametrize(
    "code",
    [
        "import musegen",
        "from musegen import Store, ingest",
        "from musegen.cli import main; main(['encode', '--help'], standalone_mode=False)",
        "from musegen import Encoder, Score, Composer, compose, load; Encoder()",
        "from musegen.cli import main; main(['--help'], standalone_mode=False)",
        "from musegen.cli import main; main(['compose', '--help'], standalone_mode=False)",
        "from musegen.cli import main; main(['train', '--help'], standalone_mode=False)",
        "from musegen.cli import main; main(['runs'], standalone_mode=False)",
    ],
)
def test_tensorflow_is_not_imported(code):
    heavy = "{'tensorflow', 'keras', 'music21', 'jax', 'torch'}"
    check = f"import sys; assert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", f"{code}\n{check}"], check=True, capture_output=True)


def test_composing_does_not_import_tensorflow(checkpoints, tmp_path):
    code = (
        "import sys; from musegen.cli import main; "
        "main(['compose', '--new', '--bars', '2', "
        f"'--checkpoint', {str(checkpoints['line'].path)!r}, "
        f"'-o', {str(tmp_path / 'new.mid')!r}], standalone_mode=False); "
        "assert not {'tensorflow', 'keras', 'symusic', 'music21'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert (tmp_path / "new.mid").exists()


def test_every_command_and_option_is_documented():
    visible = [name for name, command in main.commands.items() if not command.hidden]
    assert sorted(visible) == [
        "batch",
        "compose",
        "corpus",
        "doctor",
        "encode",
        "evaluate",
        "novelty",
        "pianoroll",
        "runs",
        "surprisal",
        "train",
    ]
    for name, command in main.commands.items():
        help_text = CliRunner().invoke(main, [name, "--help"]).output
        assert command.help and command.get_short_help_str() and "Usage:" in help_text
    assert (
        CliRunner().invoke(main, ["--version"]).output
        == f"musegen, version {musegen.__version__}\n"
    )


NEED_NO_EXAMPLE = {name for name in musegen.__all__ if name.endswith("Error")}
"""Errors are raised, not called: tests/test_bad_input.py has the examples."""


@pytest.mark.parametrize("name", sorted(set(musegen.__all__) - NEED_NO_EXAMPLE))
def test_every_public_name_has_an_example(name):
    # Pytest runs the examples (--doctest-modules). A class may have them in its methods.
    assert any(test.examples for test in doctest.DocTestFinder().find(getattr(musegen, name), name))


def rooms_in(folder):
    """Return the packages in a folder."""
    return {path.parent.name for path in (ROOT / folder).glob("*/__init__.py")}


def test_the_readme_maps_every_room():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    mapped = re.findall(r"^\| \d \| `(\w+)/` \|", readme, re.MULTILINE)
    assert len(mapped) == len(set(mapped))
    assert set(mapped) == rooms_in("musegen")


def test_the_tests_mirror_the_rooms():
    assert rooms_in("tests") | {"utils"} == rooms_in("musegen")


def test_every_error_is_a_musegen_error():
    for name in ("CheckpointError", "ConfigError", "EncodingError", "MidiError", "TrainingError"):
        assert issubclass(getattr(musegen, name), musegen.MusegenError)
    for name in ("ConfigError", "EncodingError", "MidiError"):
        assert issubclass(getattr(musegen, name), ValueError)


def test_the_command_reference_is_up_to_date():
    docs = ROOT / "docs"
    # In a process of its own: click remembers how a command was first asked for help.
    code = "import runpy; print(runpy.run_path('cli_reference.py')['page'](), end='')"
    page = subprocess.run(
        [sys.executable, "-c", code], cwd=docs, check=True, capture_output=True, text=True
    ).stdout
    assert (docs / "cli.md").read_text() == page, "run `make docs`"


def test_a_module_that_moved_is_found_under_its_old_name_with_a_warning():
    for old, new in MOVED.items():
        code = (
            f"import importlib, warnings, musegen\n"
            f"warnings.simplefilter('error', DeprecationWarning)\n"
            f"try: importlib.import_module({old!r})\n"
            f"except DeprecationWarning as warning: assert {new!r} in str(warning), warning\n"
            f"else: raise SystemExit('no warning')\n"
            f"warnings.simplefilter('ignore')\n"
            f"module, home = importlib.import_module({old!r}), importlib.import_module({new!r})\n"
            f"assert module.__all__ == home.__all__\n"
            f"assert all(getattr(module, name) is getattr(home, name) for name in home.__all__)"
        )
        subprocess.run([sys.executable, "-c", code], check=True)
