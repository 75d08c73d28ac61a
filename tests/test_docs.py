"""The documentation says what is there: decisions, navigation, links, figures of the project."""

import hashlib
import importlib
import re
from pathlib import Path

import pytest

import musegen
from tests.helpers import ROOT

DOCS = ROOT / "docs"
DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
PAGES = sorted(DOCS.glob("**/*.md"))
OTHERS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
CARDS = sorted((ROOT / "checkpoints").glob("*/README.md"))


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_a_number_a_status_and_a_date(path):
    title, status, *_ = path.read_text(encoding="utf-8").split("\n\n")
    assert title.startswith(f"# {int(path.stem[:4])}. ")
    assert re.match(r"Status: (proposed|accepted|superseded by \[\d+\.)", status)
    assert re.search(r"\d{4}-\d{2}-\d{2}", status)


def test_the_index_of_decisions_lists_all_of_them_with_their_titles():
    index = (DOCS / "decisions/README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| \[(.*)\]\((.*)\) \|", index, re.MULTILINE)
    titles = [path.read_text(encoding="utf-8").splitlines()[0] for path in DECISIONS]
    assert [f"# {number}. {title}" for number, title, _ in rows] == titles
    assert [name for _, _, name in rows] == [path.name for path in DECISIONS]


def test_every_page_is_in_the_navigation():
    _, navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:\n")
    listed = set(re.findall(r"[\w/.-]+\.md", navigation))
    assert listed == {path.relative_to(DOCS).as_posix() for path in PAGES}


@pytest.mark.parametrize(
    "path", [*PAGES, *OTHERS, *CARDS], ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_every_link_leads_to_a_file(path):
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize(
    "path", [*PAGES, *OTHERS, *CARDS], ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_modules_and_files_that_a_page_names_exist(path):
    if path.name in ("0001-score-reaches-up-lazily.md", "CHANGELOG.md"):
        pytest.skip("names modules of its time")
    text = path.read_text(encoding="utf-8")
    for name in re.findall(r"\b((?:musegen|tests|benchmarks|recipes|docs)/[\w/]+\.\w+)", text):
        assert (ROOT / name).exists() or (ROOT / "docs" / Path(name).name).exists(), name


def test_names_of_the_package_that_pages_name_exist():
    names = {
        name
        for path in [*PAGES, ROOT / "README.md"]
        if path.stem != "0001-score-reaches-up-lazily"
        for name in re.findall(r"\bmusegen\.[a-z_]+(?:\.\w+)*", path.read_text(encoding="utf-8"))
    }
    assert len(names) > 20
    assert [name for name in sorted(names) if not resolves(name)] == []


def resolves(name):
    """Say whether a dotted name is a module, or leads to an object in one."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ImportError:
            continue
        for part in parts[end:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def test_the_citation_has_the_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {musegen.__version__}\n" in citation


def test_vendored_files_are_those_that_were_reviewed():
    vendored = {
        "docs/assets/iframe-worker.js": (
            "ec18eb95f23f681048efc92739218c54a344b241d9b7e00f9f2391c90cdf3b73"
        ),
    }
    for name, sha256 in vendored.items():
        assert hashlib.sha256((ROOT / name).read_bytes()).hexdigest() == sha256, name
        assert "MIT licence" in (ROOT / name).read_text()
