"""Recipes: all settings of a training run in one file, so that anybody can repeat it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from musegen.config import EncoderConfig, ModelConfig, TrainingConfig
from musegen.errors import ConfigError

__all__ = ["Recipe"]

_SECTIONS: dict[str, Callable[..., Any]] = {
    "encoder": EncoderConfig.from_dict,
    "model": lambda values: ModelConfig.from_dict(
        {"vocabulary_size": 2, **values}
    ),  # which the encoder says
    "training": TrainingConfig.from_dict,
}


@dataclass(frozen=True)
class Recipe:
    """What is read of a recipe.

    Attributes:
        about: What it is for, in a sentence.
        sha256: Of the names and tokens of the pieces that it was written for; "" if it is for any.
        settings: What each option of `musegen train` is to be, by the option's name.
    """

    about: str = ""
    sha256: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """Read a TOML file of sections [data], [encoder], [model] and [training].

        Raises:
            ConfigError: It is no TOML, or a section or setting is unknown or out of range.
        """
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(
                f"{path} cannot be read: {error.strerror or error}. Make it readable."
            ) from error
        except ValueError as error:  # TOML's own and Unicode's
            raise ConfigError(
                f"{path} is no recipe. Expected: TOML. Received: {error}. Mend it there."
            ) from error
        about, data = document.pop("about", ""), document.pop("data", {})
        texts = {"about": about, **(data if isinstance(data, dict) else {"data": data})}
        unknown = [*(document.keys() - _SECTIONS), *(texts.keys() - {"about", "sha256"})]
        if unknown or not all(isinstance(text, str) for text in texts.values()):
            raise ConfigError(
                f"{path} is no recipe. Expected: about and data.sha256, both text, and sections "
                f"{', '.join(_SECTIONS)}. Received: {', '.join(sorted(unknown)) or texts}. Mend it there."
            )
        settings: dict[str, Any] = {}
        for name, values in document.items():
            try:
                _SECTIONS[name](values)
            except (ConfigError, TypeError) as error:
                raise ConfigError(f"{path}, section {name}: {error}") from error
            settings |= values
        return cls(about, texts.get("sha256", ""), settings)
