"""Optional dependencies are imported on demand."""

import subprocess
import sys

import pytest

from musegen.utils.extras import require


@pytest.mark.parametrize(
    ("missing", "call", "extra"),
    [
        ("pandas", "to_dataframe()", "notebook"),
        ("matplotlib", "plot()", "notebook"),
        ("midirenderer", "audio()", "audio"),
        ("IPython", "audio()", "audio"),
    ],
)
def test_a_missing_package_is_named_with_the_remedy(missing, call, extra):
    code = (
        "import sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] == {missing!r}: raise ModuleNotFoundError(name=name)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "from musegen import MusegenError, Score\n"
        f"try: Score(end=480).{call}\n"
        "except MusegenError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (
        run.stdout
        == f"score.{call} needs {missing}. Install it with: pip install 'musegen[{extra}]'\n"
    )


def test_a_broken_package_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("import a_module_that_is_not_there")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_module_that_is_not_there"):
        require("broken_package", "notebook", "score.plot()")
