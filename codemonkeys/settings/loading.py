"""Where values of settings come from: a profile, CODEMONKEYS_* variables, YAML files and key=value pairs, in order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from codemonkeys.errors import BadSettings
from codemonkeys.settings.profiles import settings_of
from codemonkeys.settings.tree import Settings
from codemonkeys.wording import option


def load_settings(configs: Sequence[str] = (), profile: str | None = None, **given: Any) -> Settings:
    """Settings from a profile, YAML files and `key.sub=value` pairs in order, a later one winning, `given` over all.

    A `given` value of None means not given. Raises BadSettings naming the setting or the profile.
    """
    import yaml

    values: dict[str, Any] = {}
    merge(values, {} if profile is None else settings_of(profile))
    for config in configs:
        key, equals, text = config.partition("=")
        try:
            if equals and not Path(config).is_file():
                loaded: Any = yaml.safe_load(text)
                for name in reversed(key.strip().split(".")):
                    loaded = {name: loaded}
            else:
                loaded = yaml.safe_load(Path(config).read_text(encoding="utf-8")) or {}
        except OSError as error:
            raise BadSettings(
                f"{option('config', config)}: no such file and no key=value pair ({error.strerror}); "
                "give a YAML file or a pair such as generation.samples=4"
            ) from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise BadSettings(f"{option('config', config)}: not YAML: {error}") from None
        if not isinstance(loaded, dict):
            raise BadSettings(f"{option('config', config)}: expected settings by name, found {type(loaded).__name__}")
        merge(values, loaded)
    merge(values, {name: value for name, value in given.items() if value is not None})
    return build(values)


def build(values: dict[str, Any]) -> Settings:
    """Settings from a plain tree; raises BadSettings naming what is wrong."""
    try:
        return Settings(**values)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in e['loc'])}: {e['msg'].lower()} (given {e['input']!r})"
            for e in error.errors(include_url=False)
        )
        raise BadSettings(f"settings: {wrong}. All settings and their meaning: codemonkeys settings") from None


def merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    """Lay one tree over another, in place."""
    for name, value in more.items():
        below = into.get(name)
        if isinstance(value, dict) and isinstance(below, dict):
            merge(below, value)
        else:
            into[name] = value
