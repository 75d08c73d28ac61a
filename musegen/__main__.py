"""`python -m musegen`."""

from musegen.cli import main

main(prog_name="musegen")
