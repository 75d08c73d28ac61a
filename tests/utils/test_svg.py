"""SVG markup: escaping, legends, scales and their ticks."""

from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen.utils.svg import Entry, Scale, document, element, legend, paragraph, text, text_width

anything = st.text(st.characters(), max_size=80)
positive = st.floats(1e-6, 1e30)


@given(anything)
def test_any_text_is_escaped_in_elements_and_attributes(words):
    root = ElementTree.fromstring(document(text(words, 1, 2), (9, 9), words))
    assert root.get("aria-label") == root[0].text or not words
    assert all(c.isprintable() for c in root[0].text or "")


def test_underscores_in_attribute_names_are_hyphens():
    assert (
        element("g", "x", class_="a", text_anchor="end") == '<g class="a" text-anchor="end">x</g>'
    )


def test_wide_characters_count_twice():
    assert text_width("名前 ab") == 7


@given(st.lists(anything, max_size=12))
def test_a_legend_has_every_entry_and_stays_inside_its_width(labels):
    markup, bottom = legend([Entry(label) for label in labels], 8, 100, 600)
    root = ElementTree.fromstring(f"<g>{markup}</g>")
    places = [tuple(map(int, g.get("transform")[10:-1].split())) for g in root]
    assert len(places) == len(labels) and all(8 <= x < 600 for x, _ in places)
    assert all(a < b if a[1] == b[1] else a[1] < b[1] for a, b in pairwise(places))
    assert all(100 < y < bottom for _, y in places)


def test_a_long_paragraph_ends_in_an_ellipsis():
    markup, bottom = paragraph("word " * 500, 10, 400)
    rows = ElementTree.fromstring(f"<g>{markup}</g>")
    assert len(rows) == 5 and rows[-1].text.endswith("…") and bottom == 10 + 5 * 30
    assert paragraph("", 10, 400) == ("", 10)


@given(positive, st.floats(1.001, 1e30), st.booleans(), st.floats(1, 100))
def test_ticks_are_on_the_scale_and_keep_their_distance(low, ratio, logarithmic, least):
    scale = Scale(low, low * ratio, 440, 52, logarithmic)
    ticks = scale.ticks(least)
    assert all(low * 0.999999 <= tick <= low * ratio * 1.000001 for tick in ticks)
    assert all(scale(a) - scale(b) >= least * 0.999 for a, b in pairwise(ticks))


@pytest.mark.parametrize(
    ("scale", "ticks"),
    [
        (Scale(0, 1, 0, 100), [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (Scale(3, 17, 0, 100), [4, 6, 8, 10, 12, 14, 16]),
        (Scale(1, 100, 0, 100, logarithmic=True), [1, 2, 5, 10, 20, 50, 100]),
        (Scale(1, 1, 0, 100), [1]),
    ],
)
def test_ticks_are_round_values(scale, ticks):
    assert scale.ticks(12) == ticks
