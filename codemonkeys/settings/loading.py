"""Load settings from a profile, CODEMONKEYS_* variables, YAML files and key=value pairs, in that order."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError

from codemonkeys.errors import BadSettings
from codemonkeys.settings.model_settings import ModelSettings
from codemonkeys.settings.profiles import settings_of
from codemonkeys.settings.section import Section
from codemonkeys.settings.tree import ModelLimits, Settings
from codemonkeys.wording import option

BY_MODEL: Mapping[tuple[str, ...], type[Section]] = {("models",): ModelSettings, ("operation", "models"): ModelLimits}
"""Settings that are given for each model by its name, which may have dots, and what each holds."""


def load_settings(configs: str | Sequence[str] = (), profile: str | None = None, **given: Any) -> Settings:
    """Settings from a profile, then YAML files and `key.sub=value` pairs; later values win, `given` wins over all.

    A single text is one of them. A `given` value of None counts as not given. Raises BadSettings naming the setting or
    the profile.
    """
    values: dict[str, Any] = {}
    merge(values, {} if profile is None else settings_of(profile))
    merge(values, read_configs([configs] if isinstance(configs, str) else configs))
    merge(values, {name: value for name, value in given.items() if value is not None})
    return build(values)


def given_or_loaded(settings: Settings | None, *configs: str) -> Settings:
    """The settings that a program gives; if None, those of the environment, with `configs`. Raises BadSettings."""
    if settings is None:
        return load_settings(configs)
    if not isinstance(settings, Settings):
        raise BadSettings(f"settings: {type(settings).__name__} given; make them with load_settings(...)")
    return settings


def read_configs(configs: Sequence[str]) -> dict[str, Any]:
    """The tree that YAML files and `key.sub=value` pairs give together; later values win. Raises BadSettings."""
    import yaml

    values: dict[str, Any] = {}
    for config in configs:
        key, equals, text = config.partition("=")
        try:
            _refuse_pipes(config)
            if equals and not is_file(config):
                loaded: Any = yaml.safe_load(text)
                for name in reversed(path_of(key, loaded)):
                    loaded = {name: loaded}
            else:
                loaded = yaml.safe_load(Path(config).read_text(encoding="utf-8")) or {}
        except OSError as error:
            raise BadSettings(
                f"{option('config', config)}: neither a file nor a key=value pair ({error.strerror}); "
                "give a YAML file or a pair such as generation.samples=4"
            ) from None
        except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: no UTF-8, or no such date
            raise BadSettings(f"{option('config', config)}: not YAML: {error}") from None
        if not isinstance(loaded, dict) or not all(isinstance(name, str) for name in loaded):
            raise BadSettings(
                f"{option('config', config)}: expected a mapping of settings, found {type(loaded).__name__}"
            )
        merge(values, loaded)
    return values


def path_of(key: str, value: object) -> list[str]:
    """The names that a dotted key leads through: `models.openai/gpt-4.1.top_p` has three."""
    names = key.strip().split(".")
    for section, held in BY_MODEL.items():
        start = len(section)
        if tuple(names[:start]) != section or len(names) == start:
            continue
        fields = (at for at in range(start + 1, len(names)) if names[at] in held.model_fields)
        end = next(fields, len(names) if isinstance(value, dict) else start + 1)
        return [*section, ".".join(names[start:end]), *names[end:]]
    return names


def is_file(given: str) -> bool:
    """Whether a text is the path of a file; it may be too long for one."""
    try:
        return Path(given).is_file()
    except OSError:
        return False


def _refuse_pipes(config: str) -> None:
    """Raise BadSettings for a path that is neither a file nor a folder: reading it may never end."""
    with suppress(ValueError, OSError):  # no path: with a NUL, or too long
        path = Path(config)
        if path.exists() and not path.is_file() and not path.is_dir():
            raise BadSettings(f"{option('config', config)}: not a regular file; give a YAML file or a key=value pair")


def build(values: dict[str, Any]) -> Settings:
    """Build settings from nested dictionaries; raises BadSettings naming what is wrong."""
    try:
        return Settings(**values)
    except SettingsError as error:  # a variable of the environment that is to hold JSON
        raise BadSettings(f"settings: {error}; give it as JSON, or one setting a variable") from None
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in e['loc'])}: "
            f"{unknown(e['loc']) if e['type'] == 'extra_forbidden' else words_of(e['msg'])} (given {e['input']!r})"
            for e in error.errors(include_url=False)
        )
        raise BadSettings(f"settings: {wrong}. `codemonkeys settings` lists all settings") from None


def unknown(place: tuple[str | int, ...]) -> str:
    """That there is no setting of this name, and the one beside it whose name is nearest, if one is near."""
    section: Any = Settings
    for part in place[:-1]:
        field = section.model_fields.get(str(part))
        section = None if field is None else field.annotation
        if not (isinstance(section, type) and issubclass(section, BaseModel)):
            return "there is no such setting"
    near = difflib.get_close_matches(str(place[-1]), section.model_fields, n=1, cutoff=0.75)
    return f"there is no such setting{f'; did you mean {near[0]}?' if near else ''}"


def words_of(message: str) -> str:
    """What pydantic says, to stand within a sentence; names and values in it keep their spelling."""
    words = message.removeprefix("Value error, ")
    return f"{words[:1].lower()}{words[1:]}" if words == message else words


def merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    """Merge one tree into another, in place; `more` wins."""
    for name, value in more.items():
        below = into.get(name)
        if isinstance(value, dict) and isinstance(below, dict):
            merge(below, value)
        else:
            into[name] = value
