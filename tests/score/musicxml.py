"""Write small MusicXML documents for tests."""

import re

HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
    '"http://www.musicxml.org/dtds/partwise.dtd">\n'
)


def pitch(name: str) -> str:
    """`C4`, `Bb3`, `F#5`, `D+0.5 4` as a `pitch` element."""
    step, alter, octave = re.fullmatch(r"([A-G])(#|b|[+-][\d.]+ )?(-?\d)", name).groups()
    alter = {"#": "1", "b": "-1", None: ""}.get(alter, alter)
    alter = f"<alter>{alter}</alter>" if alter else ""
    return f"<pitch><step>{step}</step>{alter}<octave>{octave}</octave></pitch>"


def note(name: str, duration: object = 1, before: str = "", after: str = "", **attributes) -> str:
    """A note; `before` and `after` go before the pitch and behind the duration."""
    own = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in attributes.items())
    return f"<note{own}>{before}{pitch(name)}<duration>{duration}</duration>{after}</note>"


def notes(names: str, duration: object = 1) -> str:
    return "".join(note(name, duration) for name in names.split())


def chord(names: str, duration: object = 1) -> str:
    first, *others = names.split()
    return note(first, duration) + "".join(note(n, duration, "<chord/>") for n in others)


def drum(place: str, duration: object = 1, after: str = "", before: str = "") -> str:
    """An unpitched note at a place on the staff, such as `C5`."""
    shown = f"<display-step>{place[0]}</display-step><display-octave>{place[1]}</display-octave>"
    content = f"{before}<unpitched>{shown}</unpitched><duration>{duration}</duration>{after}"
    return f"<note>{content}</note>"


def rest(duration: object, *, measure: bool = False) -> str:
    whole = ' measure="yes"' if measure else ""
    return f"<note><rest{whole}/><duration>{duration}</duration></note>"


def backup(duration: object) -> str:
    return f"<backup><duration>{duration}</duration></backup>"


def forward(duration: object) -> str:
    return f"<forward><duration>{duration}</duration></forward>"


def time(beats: object, beat_type: object) -> str:
    return f"<time><beats>{beats}</beats><beat-type>{beat_type}</beat-type></time>"


def attributes(divisions: object = 1, meter: tuple = (4, 4), more: str = "") -> str:
    signature = time(*meter) if meter else ""
    return f"<attributes><divisions>{divisions}</divisions>{signature}{more}</attributes>"


def measure(*content: str, number: object = 1, **flags: str) -> str:
    own = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in flags.items())
    return f'<measure number="{number}"{own}>{"".join(content)}</measure>'


def partwise(*parts: list[str], infos: tuple[str, ...] = (), header: str = "") -> str:
    """A score of parts, each a list of measures; `infos` are what their `score-part`s hold."""
    infos = infos or tuple(f"<part-name>Part {i}</part-name>" for i in range(len(parts)))
    listed = "".join(f'<score-part id="P{i}">{info}</score-part>' for i, info in enumerate(infos))
    played = "".join(f'<part id="P{i}">{"".join(each)}</part>' for i, each in enumerate(parts))
    return (
        f'{HEAD}<score-partwise version="4.0">{header}<part-list>{listed}</part-list>{played}'
        "</score-partwise>"
    )


def tune(*content: str, info: str = "<part-name>Flute</part-name>", **options) -> str:
    """A score of one measure."""
    return partwise([measure(attributes(**options), *content)], infos=(info,))
