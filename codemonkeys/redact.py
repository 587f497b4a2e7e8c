"""Keeps secrets out of stored and shown text, and control codes out of terminals."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, unquote

SECRET_NAME = re.compile(
    r"(?:_KEY|APIKEY|_KEY_ID|_KEY_PEM|_TOKEN|_SECRET|_CREDENTIALS?|_AUTH|_JWT|_LICENSE|_HEADERS|WEBHOOK_URL)$"
    r"|PASSWORD|PASSWD|_TOKEN_|_SECRET_",
    re.I,
)
SHORTEST = 8
"""Shorter values are no secrets worth the name, and would blot out ordinary words."""

URL_LOGIN = re.compile(r"(?<=://)[^\s/@]{1,512}(?=@)")

SHAPES = (
    ("key", re.compile(r"\bsk-[A-Za-z0-9_-]{12,}")),
    ("token", re.compile(r"\b(?:gh[opsu]_|github_pat_|hf_|xox[abp]-)[A-Za-z0-9_-]{16,}")),
    ("key", re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[A-Za-z0-9_-]{30,}")),
    ("token", re.compile(r"(?i)(?<=\bbearer )[A-Za-z0-9._~+/=-]{8,}")),
    ("header", re.compile(r"(?i)(?<=\bbasic )[A-Za-z0-9+/]{16,}={0,2}")),
    ("key", re.compile(r"(?i)(?<=\bapi[_-]key=)[^\s&\"',;)]{8,}|(?<=\bx-api-key: )[^\s\"',;)]{8,}")),
    ("login", re.compile(r"(?i)(?<=://)[^\s/:@]{0,256}:[^\s/@]{1,256}(?=@)")),
)
"""What looks like a secret wherever it comes from."""

CONTROLS = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # Colours, cursor movements.
    r"|\x1b[\]P^_X][^\x07\x1b]*(?:\x07|\x1b\\)?"  # Titles, links, other strings.
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
    r"|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)


class Redactor:
    """Knows the secrets of one environment, as they were when it was made."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Take as secret every value of 8 characters and more whose variable is named like a secret, and every password
        of that length in a URL."""
        names = {
            form: name
            for name, value in sorted(environment.items())
            for secret in (value.strip() if SECRET_NAME.search(name) else "", *passwords(value))
            if len(secret) >= SHORTEST
            for form in forms(secret)
        }
        # Longest first: a secret that begins with another one goes as a whole.
        found = "|".join(re.escape(form) for form in sorted(names, key=len, reverse=True))
        self._names = names
        self._pattern = re.compile(found) if found else None

    def values(self, text: str) -> str:
        """The text with every secret of the environment replaced by `[redacted NAME]`, and nothing else changed."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: f"[redacted {self._names[match.group()]}]", text)

    def __call__(self, text: str) -> str:
        """The same, and whatever looks like a secret replaced by `[redacted key]` or the like."""
        text = self.values(text)
        for name, shape in SHAPES:
            text = shape.sub(f"[redacted {name}]", text)
        return text


def passwords(text: str) -> Iterator[str]:
    """Passwords in URLs of a text, or the user where it stands alone, as a token does; as written and decoded."""
    for login in URL_LOGIN.findall(text):
        user, colon, password = login.partition(":")
        found = password if colon else user
        yield from {found, unquote(found)}


def forms(secret: str) -> set[str]:
    """How a secret may stand in a text: as it is, in JSON, in a URL."""
    return {secret, json.dumps(secret)[1:-1], quote(secret, safe="")}


def machine_folders() -> dict[str, str]:
    """Folders that tell of this machine and its user, with what stands for them: the current one and the home."""
    folders = {os.getcwd(): ".", os.path.expanduser("~"): "~"}
    return {folder: short for folder, short in folders.items() if len(folder) > 1}


def without_folders(text: str, folders: Mapping[str, str]) -> str:
    """A text in which folders are replaced by what stands for them, the longest first; whole names only."""
    for folder in sorted(folders, key=len, reverse=True):
        if folder in text:
            text = re.sub(rf"(?<![\w.-]){re.escape(folder)}(?![\w.-])", folders[folder], text)
    return text


def redact(text: str) -> str:
    """A message without secrets: neither those of the environment as it is now, nor what looks like one."""
    return Redactor(os.environ)(text)


def redact_values(text: str) -> str:
    """A text of others, such as code, without the secrets of the environment; all else stays as it is.

    For text that is acted on: an example key in a repository's tests is no secret, and an edit must keep it.
    """
    return Redactor(os.environ).values(text)


def safe_terminal(text: str) -> str:
    """The text without control codes and direction marks; line feeds and tabs stay."""
    return CONTROLS.sub("", text.replace("\r\n", "\n"))
