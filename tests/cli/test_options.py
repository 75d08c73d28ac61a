"""Options: how they are declared, and what every help page has."""

import re

import click
import pytest
from click.testing import CliRunner

from musegen.cli import main
from musegen.cli.config_options import encoder_options, of
from musegen.cli.options import Sectioned, flag, given, json_option, options, refuse_together, value
from musegen.config import EncoderConfig


@click.command(cls=Sectioned)
@value("-n, --number N", int, "A number.", default=3)
@value("--kind", click.Choice(["a", "b"]), "A kind.", shown="as you like")
@value("--big X", float, "Another number.", name="renamed", heading="Others")
@options(flag("--new", "A flag."), json_option())
@encoder_options
def command(**settings):
    """Print the settings that were given, and the encoding."""
    click.echo(sorted(given(settings).items()))
    click.echo(of(EncoderConfig, settings).parts)


def test_options_are_read():
    result = CliRunner().invoke(command, ["-n", "4", "--big", "0.5", "--json", "--parts", "4"])
    expected = [("as_json", True), ("number", 4), ("parts", 4), ("renamed", 0.5)]
    assert result.output.splitlines() == [str(expected), "4"]
    assert CliRunner().invoke(command).output.splitlines() == ["[]", str(EncoderConfig().parts)]


def test_the_help_page_lists_options_under_headings_with_their_defaults():
    lines = CliRunner().invoke(command, ["--help"]).output.splitlines()
    page = [" ".join(line.split()) for line in lines]
    assert "-n, --number N A number. [default: 3]" in page
    assert "--kind [a|b] A kind. [default: (as you like)]" in page
    assert page.index("Options:") < page.index("--new A flag.") < page.index("Others:")
    assert page[page.index("Others:") + 1] == "--big X Another number."


def test_options_that_contradict_each_other_are_named():
    refuse_together("--a", [], "They differ.")
    with pytest.raises(click.UsageError, match=r"--a cannot be combined with --b, --c\. They diff"):
        refuse_together("--a", ["--b", "--c"], "They differ.")


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_option_has_a_sentence_of_help(name):
    for option in main.commands[name].params:
        if isinstance(option, click.Option):
            assert re.fullmatch(r"(?s)\w.*[.)]", option.help or ""), (name, option.opts)
