"""Load settings from a profile, CODEMONKEYS_* variables, YAML files and key=value pairs, in that order."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from codemonkeys.errors import BadSettings
from codemonkeys.settings.profiles import settings_of
from codemonkeys.settings.tree import Settings
from codemonkeys.wording import option


def load_settings(configs: Sequence[str] = (), profile: str | None = None, **given: Any) -> Settings:
    """Settings from a profile, then YAML files and `key.sub=value` pairs; later values win, `given` wins over all.

    A `given` value of None counts as not given. Raises BadSettings naming the setting or the profile.
    """
    import yaml

    values: dict[str, Any] = {}
    merge(values, {} if profile is None else settings_of(profile))
    for config in configs:
        key, equals, text = config.partition("=")
        try:
            _refuse_pipes(config)
            if equals and not Path(config).is_file():
                loaded: Any = yaml.safe_load(text)
                for name in reversed(key.strip().split(".")):
                    loaded = {name: loaded}
            else:
                loaded = yaml.safe_load(Path(config).read_text(encoding="utf-8")) or {}
        except OSError as error:
            raise BadSettings(
                f"{option('config', config)}: neither a file nor a key=value pair ({error.strerror}); "
                "give a YAML file or a pair such as generation.samples=4"
            ) from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise BadSettings(f"{option('config', config)}: not YAML: {error}") from None
        if not isinstance(loaded, dict):
            raise BadSettings(
                f"{option('config', config)}: expected a mapping of settings, found {type(loaded).__name__}"
            )
        merge(values, loaded)
    merge(values, {name: value for name, value in given.items() if value is not None})
    return build(values)


def _refuse_pipes(config: str) -> None:
    """Raise BadSettings for a path that is neither a file nor a folder: reading it may never end."""
    with suppress(ValueError):  # a NUL: no path
        path = Path(config)
        if path.exists() and not path.is_file() and not path.is_dir():
            raise BadSettings(f"{option('config', config)}: not a regular file; give a YAML file or a key=value pair")


def build(values: dict[str, Any]) -> Settings:
    """Build settings from nested dictionaries; raises BadSettings naming what is wrong."""
    try:
        return Settings(**values)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in e['loc'])}: {e['msg'].lower()} (given {e['input']!r})"
            for e in error.errors(include_url=False)
        )
        raise BadSettings(f"settings: {wrong}. `codemonkeys settings` lists all settings") from None


def merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    """Merge one tree into another, in place; `more` wins."""
    for name, value in more.items():
        below = into.get(name)
        if isinstance(value, dict) and isinstance(below, dict):
            merge(below, value)
        else:
            into[name] = value
