"""`store.json`: what a store was made with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from musegen.config import EncoderConfig
from musegen.encoding.encoder import Encoder
from musegen.errors import ConfigError, MusegenError
from musegen.utils.files import atomic_path

__all__ = [
    "INDEX",
    "REPORT",
    "SETTINGS",
    "is_store",
    "load_settings",
    "new_settings",
    "read_settings",
    "write_settings",
]

FORMAT = 1
SETTINGS, INDEX, REPORT = "store.json", "index.npz", "report.tsv"
OURS = {"format": int, "encoder": dict, "vocabulary": str}
"""What every `store.json` has had in every version, and of which type: by this a store is known."""


def is_store(path: Path) -> bool:
    """Say whether a folder is a token store: one with a `store.json` that musegen wrote."""
    try:
        load_settings(path)
    except MusegenError:
        return False
    return True


def new_settings(encoder: Encoder, max_tokens: int) -> dict[str, Any]:
    """Return the settings of a store that is begun."""
    return {
        "format": FORMAT,
        "encoder": encoder.config.to_dict(),
        "vocabulary": encoder.vocabulary.fingerprint,
        "max_tokens": max_tokens,
    }


def write_settings(store: Path, settings: dict[str, Any]) -> None:
    """Write `store.json`."""
    with atomic_path(store / SETTINGS) as temporary:
        temporary.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def load_settings(store: Path) -> dict[str, Any]:
    """Return what is in the `store.json` that musegen wrote, of whichever version.

    Raises:
        MusegenError: There is none, or something else is called so.
    """
    path = store / SETTINGS
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MusegenError(
            f"{path} does not exist: {store} is no token store. Make one: musegen encode."
        ) from error
    except OSError as error:
        raise MusegenError(
            f"{path} cannot be read: {error.strerror or error}. Make it readable."
        ) from error
    except RecursionError as error:
        raise _foreign(store, "lists in lists without end") from error
    except ValueError as error:  # that of Unicode has the whole file in its `repr`
        raise _foreign(store, f"no JSON: {error}") from error
    if not isinstance(settings, dict):
        raise _foreign(store, f"a {type(settings).__name__}")
    if not all(isinstance(settings.get(name), kind) for name, kind in OURS.items()):
        raise _foreign(
            store,
            f"{len(settings)} key(s)" + "".join(f", {key[:40]!r}" for key in list(settings)[:3]),
        )
    return settings


def _foreign(store: Path, received: str) -> MusegenError:
    return MusegenError(
        f"{store} is no token store, its {SETTINGS} is not one of musegen's. Expected: an object with "
        f"{', '.join(OURS)}. Received: {received}. Nothing there was changed: choose another place with -o, or "
        f"remove {store} yourself if you know it for a damaged store."
    )


def read_settings(store: Path) -> tuple[dict[str, Any], Encoder]:
    """Return what is in `store.json`, and the encoder it describes.

    Raises:
        MusegenError: There is no store, or it is damaged or of another version.
    """
    path = store / SETTINGS
    settings = load_settings(store)
    version, config, fingerprint = settings["format"], settings["encoder"], settings["vocabulary"]
    if version != FORMAT:
        raise MusegenError(
            f"{path} is a store of format {version!r}; this version of musegen reads format {FORMAT}. "
            "Make it anew: musegen encode --force."
        )
    if not isinstance(settings.get("max_tokens"), int):
        raise MusegenError(
            f"{path} is damaged: max_tokens must be a number. Received: {str(settings.get('max_tokens'))[:40]}. "
            "Make the store anew: musegen encode --force."
        )
    try:
        encoder = Encoder(EncoderConfig.from_dict(config))
    except (ConfigError, TypeError) as error:
        raise MusegenError(
            f"{path} has encoder settings that this version does not know: {error}"
        ) from error
    if encoder.vocabulary.fingerprint != fingerprint:
        raise MusegenError(
            f"{path} has tokens of another vocabulary than this version of musegen makes of the same settings. "
            "Make it anew: musegen encode --force."
        )
    return settings, encoder
