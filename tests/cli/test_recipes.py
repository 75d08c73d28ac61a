"""Recipes: settings in a file, which the command line overrides."""

import json
import re

import pytest
from click.testing import CliRunner

from musegen import ingest
from musegen.cli import main
from musegen.cli.recipes import Recipe
from musegen.errors import ConfigError
from tests.helpers import ROOT, tune

SMALL = """
about = "Some tunes"
[data]
sha256 = "{sha256}"
[encoder]
parts = 2
velocities = 0
[model]
cell = "gru"
layers = 1
units = 8
embedding = 4
[training]
epochs = 1
sequence_length = 32
batch_size = 2
seed = 3
"""


@pytest.fixture
def folder(tmp_path):
    for seed in range(6):
        tune(seed).save(tmp_path / "tunes" / f"{seed}.mid")
    return tmp_path / "tunes"


def written(path, sha256=""):
    path.write_text(SMALL.format(sha256=sha256))
    return path


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_recipe_is_read(tmp_path):
    recipe = Recipe.read(written(tmp_path / "small.toml", "ab"))
    assert (recipe.about, recipe.sha256) == ("Some tunes", "ab")
    assert (recipe.settings["cell"], recipe.settings["seed"]) == ("gru", 3)
    assert "vocabulary_size" not in recipe.settings


@pytest.mark.parametrize(
    "path", sorted((ROOT / "recipes").glob("*.toml")), ids=lambda path: path.stem
)
def test_the_recipes_of_the_repository_are_valid(path):
    recipe = Recipe.read(path)
    assert recipe.about and re.fullmatch("[0-9a-f]{64}", recipe.sha256)
    assert recipe.settings["epochs"] > 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cell = ", "not a recipe. Expected: TOML"),
        ("[modell]\ncell = 'gru'", "Received: modell"),
        ("[data]\nsha256 = 1", "both text"),
        ("data = 'x'", "Received: data"),
        ("model = 3", "section model"),
        ("[model]\nunit = 3", r"section model: .*Received: \['unit'\]"),
        ("[training]\nepochs = 0", "section training: epochs must be"),
        ("[encoder]\nparts = 'many'", "section encoder: parts must be of type int"),
    ],
)
def test_a_file_that_is_not_a_recipe_is_refused(tmp_path, text, message):
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        Recipe.read(tmp_path / "bad.toml")
    result = run("train", tmp_path, "-o", tmp_path / "out", "--recipe", tmp_path / "bad.toml")
    assert result.exit_code == 1 and "bad.toml" in result.stderr and not (tmp_path / "out").exists()


def test_training_uses_a_recipe_where_the_command_line_gives_no_value(folder, tmp_path):
    recipe = written(tmp_path / "small.toml", "00")
    result = run("train", folder, "-o", tmp_path / "out", "--recipe", recipe, "--units", 12)
    assert result.exit_code == 0, result.stderr
    made = json.loads((tmp_path / "out" / "config.json").read_text())
    assert made["encoder"]["parts"] == 2
    assert (made["model"]["cell"], made["model"]["units"]) == ("gru", 12)
    assert made["training"]["config"]["seed"] == 3
    sha256 = made["training"]["data"]["sha256"]
    assert "warning: the recipe is for other pieces" in result.stderr and sha256 in result.stderr
    recipe = written(tmp_path / "right.toml", sha256)
    again = run("train", folder, "-o", tmp_path / "again", "--recipe", recipe)
    assert again.exit_code == 0 and "warning" not in again.stderr


def test_encoding_uses_a_recipe(folder, tmp_path):
    recipe = written(tmp_path / "small.toml")
    result = run("encode", folder, "-o", tmp_path / "store", "--recipe", recipe)
    assert result.exit_code == 0, result.stderr
    settings = json.loads((tmp_path / "store" / "store.json").read_text())
    assert settings["encoder"]["parts"] == 2 and settings["split"]["seed"] == 3
    assert len(ingest([folder], tmp_path / "store", seed=3)) == 6
