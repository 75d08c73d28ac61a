"""`store.json`: what a store was made with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from musegen.config import EncoderConfig
from musegen.encoder import Encoder
from musegen.errors import ConfigError, MusegenError
from musegen.files import atomic_path

__all__ = ["INDEX", "REPORT", "SETTINGS", "is_store", "new_settings", "read_settings", "write_settings"]

FORMAT = 1
SETTINGS, INDEX, REPORT = "store.json", "index.npz", "report.tsv"


def is_store(path: Path) -> bool:
    """Say whether a folder is a token store."""
    return (path / SETTINGS).is_file()


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


def read_settings(store: Path) -> tuple[dict[str, Any], Encoder]:
    """Return what is in `store.json`, and the encoder it describes.

    Raises:
        MusegenError: There is no store, or it is damaged or of another version.
    """
    path = store / SETTINGS
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        version, config, fingerprint = settings["format"], settings["encoder"], settings["vocabulary"]
        int(settings["max_tokens"])
    except FileNotFoundError as error:
        raise MusegenError(f"{path} does not exist: {store} is no token store. Make one: musegen encode.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MusegenError(f"{path} is damaged: {error!r}. Make the store anew: musegen encode --force.") from error
    if version != FORMAT:
        raise MusegenError(
            f"{path} is a store of format {version!r}; this version of musegen reads format {FORMAT}. "
            "Make it anew: musegen encode --force."
        )
    try:
        encoder = Encoder(EncoderConfig.from_dict(config))
    except (ConfigError, TypeError) as error:
        raise MusegenError(f"{path} has encoder settings that this version does not know: {error}") from error
    if encoder.vocabulary.fingerprint != fingerprint:
        raise MusegenError(
            f"{path} has tokens of another vocabulary than this version of musegen makes of the same settings. "
            "Make it anew: musegen encode --force."
        )
    return settings, encoder
