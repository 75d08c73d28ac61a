"""Render the report: a verdict, rows, plain text and HTML."""

from __future__ import annotations

import html as markup
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from musegen.encoding.metric import DEFAULT_VELOCITY
from musegen.encoding.report.losses import LOSSES, losses

if TYPE_CHECKING:
    from musegen.encoding.report.report import Error, NotCarried, Notes, Report, Spread, Suggestion

__all__ = ["Describe", "arguments", "html", "rows", "text", "verdict"]

Describe: TypeAlias = Callable[[Mapping[str, Any]], str]
"""Phrases a change of settings, {setting: value}: as Python arguments or command-line options."""

MOST_KINDS = 6  # of events named in a row; the others are counted
WHY = {
    "drums": "drums",
    "tracks": "on tracks beyond the encoding's parts",
    "length": "the piece is too long",
}


def arguments(change: Mapping[str, Any]) -> str:
    """Phrase a change as arguments of `EncoderConfig`.

    >>> arguments({"drums": True, "parts": 2})
    'drums=True, parts=2'
    """
    return ", ".join(f"{setting}={value}" for setting, value in change.items())


def verdict(report: Report) -> str:
    """Return the report in one line."""
    if report.error:
        others = "" if report.suggestions else ", nor with others"
        return f"cannot be encoded with these settings{others}"
    notes, tracks = report.notes, report.tracks
    lost = notes.in_file - notes.kept
    errors = {"onset": report.onset.ms, "duration": report.duration.ms}
    exact = [] if lost else ["note"]
    exact += [name for name, ms in errors.items() if not ms.max]
    rounded, absent = _rounded(report), _absent(report)
    if len(exact) == 3 and not rounded:
        return f"lossless but for {_listed(absent)}" if absent else "lossless"
    gone = f" and {tracks.dropped} of {tracks.in_file} tracks" if tracks.dropped else ""
    others = " of the others" if lost else ""
    return _joined(
        lost and f"loses {lost:,} of {notes.in_file:,} notes{gone}",
        exact and (notes.kept or not lost) and f"keeps every {_listed(exact)}{others}",
        *(
            ms.max and f"{name}s off by {_number(ms.mean)} ms (at most {_number(ms.max)})"
            for name, ms in errors.items()
        ),
        rounded and f"rounds {_listed(rounded)}",
        absent and f"leaves out {_listed(absent)}",
    )


def _rounded(report: Report) -> list[str]:
    """Name what the encoding approximates in this piece."""
    tempo, velocity = report.tempo, report.velocity
    facts = {
        "loudness": velocity.carried and velocity.error.max,
        "tempo": tempo.carried and tempo.error and tempo.error.max,
        "time signatures": report.meters.approximated,
    }
    return [what for what, holds in facts.items() if holds]


def _absent(report: Report) -> list[str]:
    """Name what the piece has and the encoding does not carry at all."""
    tempo, velocity = report.tempo, report.velocity
    meta, others = _meta_and_others(report)
    facts = {
        "the sustain pedal": report.pedal.presses and not report.pedal.applied,
        "loudness": not velocity.carried and velocity.error.max,
        "bars": not report.meters.carried,
        "tempo": not tempo.carried and tempo.error and tempo.error.max,
        "instruments": report.programs.lost,
        "drum kits": report.programs.drum_kits,
    }
    counts = {
        "other events": sum(event.count for event in others),
        "names and marks": sum(event.count for event in meta),
    }
    named = [what for what, holds in facts.items() if holds]
    return named + [f"{count:,} {what}" for what, count in counts.items() if count]


def _meta_and_others(report: Report) -> tuple[list[NotCarried], list[NotCarried]]:
    """Return the meta events and the other events that are not carried."""
    meta = [event for event in report.not_carried if event.kind == "meta"]
    return meta, [event for event in report.not_carried if event.kind != "meta"]


def rows(report: Report, describe: Describe) -> list[tuple[str, str]]:
    """Return (heading, text): first the losses, then what is intact, then the suggestions."""
    found, notes = _rows(report), report.notes
    shown = [(heading, row) for heading, row in found if row]
    intact = [heading for heading, row in found if not row]
    # Where all notes are lost, nothing is intact.
    if intact and (notes.kept or not (notes.in_file or report.error)):
        heading = "nothing lost" if notes.kept == notes.in_file else "nothing else lost"
        shown.append((heading, ", ".join(intact)))
    for each in report.suggestions:
        shown.append(("try", f"{describe(each.change)}: {_effect(each, report)}"))
    if not report.suggestions and any(losses(report).values()):
        effect = "do" if report.error else "lose less"
        shown.append(("try", f"no other setting, changed alone, would {effect}"))
    return shown


def _rows(report: Report) -> list[tuple[str, str]]:
    """Return all rows; those without loss have no text."""
    programs, velocity = report.programs, report.velocity
    off = _spread(velocity.error, " of 127")
    default = "" if velocity.carried else f"left out: all are {DEFAULT_VELOCITY}"
    meta, others = _meta_and_others(report)
    out = {
        "encoding": _encoding(report),
        "error": report.error or "",
        "notes": _notes(report.notes),
        "onsets": _timing(report.onset, report.on_grid.onsets, "begin on the grid"),
        "durations": _timing(report.duration, report.on_grid.ends, "end on the grid"),
        "velocities": _joined(default, f"off by {off}") if off else "",
        "tempo": _tempo(report),
        "time signatures": _meters(report),
        "tracks": _tracks(report),
        "programs": _counted(
            (programs.lost, "not carried"),
            (programs.drum_kits, "of drum kits, for which there is no token"),
            (programs.dropped, "dropped with their tracks"),
        ),
        "sustain pedal": _pedal(report),
        "other events": _events(others),
        "names and marks": _events(meta),
    }
    unknown = {"error": not report.error, "other events": not report.counted}
    return [(heading, row) for heading, row in out.items() if not unknown.get(heading)]


def _encoding(report: Report) -> str:
    config, tokens = report.config, report.tokens
    metric = config.encoding == "metric"
    grid = f"{config.steps_per_quarter} steps a quarter" if metric else "steps of 10 ms"
    size = "" if tokens is None else f"{tokens:,} tokens"
    return _joined(f"{config.encoding}, {grid}", size, f"vocabulary {report.vocabulary:,}")


def _notes(notes: Notes) -> str:
    if not notes.in_file:
        return "none in the piece"
    all_kept = notes.kept == notes.in_file
    kept = f"all {notes.kept:,}" if all_kept else f"{notes.kept:,} of {notes.in_file:,}"
    doubled = f", {notes.doubled:,} even of the same tick" if notes.doubled else ""
    losses = _counted(
        *((count, f"dropped ({WHY[why]})") for why, count in notes.dropped.items()),
        (notes.merged, f"merged with another of the same pitch and step{doubled}"),
        (notes.clipped, "cut short by the next of the same pitch"),
        (notes.lengthened, "lengthened to a step from less than half of one"),
    )
    return _joined(f"{kept} kept", losses)


def _tracks(report: Report) -> str:
    tracks = report.tracks
    left = tracks.in_file - tracks.dropped
    others = "the other " if tracks.dropped else ""
    dropped = f"{tracks.dropped} of {tracks.in_file} dropped with all their notes"
    merged = f"{others}{left} become {tracks.kept}"
    return _joined(tracks.dropped and dropped, tracks.kept < left and merged)


def _pedal(report: Report) -> str:
    pedal = report.pedal
    if not pedal.presses or pedal.applied:
        return ""
    return f"{pedal.presses:,} presses left out, which hold {pedal.notes_held:,} notes"


def _timing(error: Error, share: float, where: str) -> str:
    if not error.ticks.max and share == 1:
        return ""
    off = f"off by {_spread(error.ms, ' ms')}, {_spread(error.ticks, ' ticks')}"
    return f"{off}; {_percent(share)} {where}"


def _tempo(report: Report) -> str:
    tempo, seconds = report.tempo, report.seconds
    if tempo.error is None:
        played = report.config.encoding == "performance"
        return "left out: time is kept in seconds" if played else ""
    changed = tempo.kept < tempo.in_file
    if not tempo.error.max and not changed:
        return ""
    kept = f"{tempo.kept} of {tempo.in_file} kept" if tempo.carried else "left out: all is 120 bpm"
    off = f"off by {_spread(tempo.error, ' bpm')}"
    lasts = f"lasts {seconds.kept:,.1f} s instead of {seconds.in_file:,.1f}"
    return _joined(
        (changed or not tempo.carried) and kept,
        tempo.error.max and off,
        abs(seconds.kept - seconds.in_file) >= 0.05 and lasts,
    )


def _meters(report: Report) -> str:
    meters = report.meters
    if not meters.carried:
        return "bars are not carried"
    bars = "a bar" if meters.cut_short == 1 else f"{meters.cut_short} bars"
    return _joined(
        *dict.fromkeys(f"{meter['from']} becomes {meter['to']}" for meter in meters.approximated),
        meters.cut_short and f"{bars} cut short, now of a meter of their own",
    )


def _events(events: list[NotCarried]) -> str:
    """Name the most frequent kinds, and count the others."""
    events = sorted(events, key=lambda event: -event.count)
    most = MOST_KINDS if len(events) > MOST_KINDS + 1 else len(events)
    named = []
    for event in events[:most]:
        number = "" if event.number is None else f" (CC {event.number})"
        named.append(f"{event.count:,} × {event.name or 'controller'}{number}")
    if rest := sum(event.count for event in events[most:]):
        named.append(f"{rest:,} of {len(events) - most} other kinds")
    return ", ".join(named)


def _effect(suggestion: Suggestion, report: Report) -> str:
    """Phrase what a suggestion would save, and what it would cost."""
    costs = _differences(suggestion.costs)
    more = 0.0
    if suggestion.tokens and report.tokens:
        more = suggestion.tokens / report.tokens - 1
    return _joined(
        _differences(suggestion.gains),
        costs and f"but {costs}",
        abs(more) >= 0.005 and f"{100 * abs(more):.0f} % {'more' if more > 0 else 'fewer'} tokens",
        suggestion.vocabulary != report.vocabulary and f"vocabulary {suggestion.vocabulary:,}",
    )


def _differences(changes: Mapping[str, Mapping[str, float]]) -> str:
    """Phrase the changes of losses: `onset error 10 → 0 ms`."""
    return ", ".join(
        f"{LOSSES[name].label} {_number(values['before'])} → {_number(values['after'])} "
        f"{LOSSES[name].unit}".rstrip()
        for name, values in changes.items()
    )


def _spread(spread: Spread, unit: str) -> str:
    """Return mean, median and maximum: nothing without error, one number if they are equal."""
    if not spread.max:
        return ""
    mean, median, most = (_number(value) for value in (spread.mean, spread.median, spread.max))
    return f"{mean}{unit}" + (f" (median {median}, max {most})" if mean != most else "")


def _number(value: float) -> str:
    """Return a number with about three digits."""
    if value and value < 0.05:
        return "<0.1"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def _percent(share: float) -> str:
    """Return a share as a percentage; `none` and `all` only if exact."""
    if share in (0, 1):
        return "all" if share else "none"
    return f"{min(max(round(100 * share), 1), 99)} %"


def _listed(items: list[str]) -> str:
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def _counted(*counts: tuple[int, str]) -> str:
    """Join counts with what they count, leaving out zeros."""
    return _joined(*(count and f"{count:,} {what}" for count, what in counts))


def _joined(*clauses: object) -> str:
    """Join clauses, leaving out those that are empty, false or zero."""
    return "; ".join(str(clause) for clause in clauses if clause)


def text(report: Report, describe: Describe = arguments) -> str:
    """Return the verdict and one line for each row."""
    lines = rows(report, describe)
    width = max(len(heading) for heading, _ in lines)
    return "\n".join([verdict(report), *(f"  {head:{width}}  {row}" for head, row in lines)])


def html(report: Report) -> str:
    """Return a table for notebooks."""
    left = ' style="text-align: left; vertical-align: top"'
    lines = "".join(
        f"<tr><th{left}>{markup.escape(heading)}</th><td{left}>{markup.escape(row)}</td></tr>"
        for heading, row in rows(report, arguments)
    )
    caption = f"<caption{left}>{markup.escape(verdict(report))}</caption>"
    return f"<table>{caption}<tbody>{lines}</tbody></table>"
