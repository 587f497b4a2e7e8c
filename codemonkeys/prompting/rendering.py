"""Renders the messages that models see, from the templates in `prompts/`: one per message, named stage.message."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codemonkeys.errors import BadSettings
from codemonkeys.wording import option

if TYPE_CHECKING:
    from jinja2 import Environment, Template
    from jinja2.runtime import Context


def shipped_folder() -> Path:
    """Where the templates lie: inside an installed package, or beside it in a checkout."""
    packaged = Path(str(resources.files("codemonkeys"))) / "prompts"
    return packaged if packaged.is_dir() else packaged.parent.parent / "prompts"


def neutral(text: str, marker: str) -> str:
    """A text in which our marker cannot stand: nobody but us can open or close a delimiter."""
    return text.replace(marker, "-".join(marker))


def cut_middle(text: str, characters: int) -> str:
    """A text of at most about so many characters: the middle is left out, and that is said."""
    if len(text) <= characters:
        return text
    head = characters // 2
    tail = characters - head
    return f"{text[:head]}\n[... {len(text) - characters} characters left out ...]\n{text[-tail:]}"


RAISED = (ArithmeticError, LookupError, TypeError, ValueError, RecursionError)
"""What the expressions of a template can raise, beside jinja2's own errors."""


class Prompts:
    """The templates of a run, some of them replaced by the user's own."""

    def __init__(
        self, marker: str, own: Path | None = None, values: Mapping[str, Any] | None = None, *, older: bool = False
    ) -> None:
        """`marker` delimits untrusted text; `own` is a folder of replacements; `values` are seen by every template.

        `older`: as version 0.1 asked, for a run that it began. Raises BadSettings if the folder is missing or holds a
        template of a name that is never used.
        """
        self.marker = marker
        self._own, self._older = own, older
        self._values = {"runs_on": "", **(values or {})}

    def given(self, **values: Any) -> Prompts:
        """The same templates, with more values that each of them sees."""
        return Prompts(self.marker, self._own, {**self._values, **values}, older=self._older)

    def __call__(self, name: str, **values: Any) -> str:
        """One message; `name` is stage.message. Raises BadSettings when a template cannot be rendered."""
        import jinja2

        try:
            found = template(name, self._own, self._older)
            return found.render(marker=self.marker, **self._values, **values).strip() + "\n"
        except (jinja2.TemplateError, *RAISED) as error:
            raise BadSettings(
                f"prompt template {name}.jinja: {error}; correct it in {self._own or 'prompts'}"
            ) from None

    def source(self, name: str) -> str:
        """The template of a message, as it is written."""
        environment = templates(self._own, self._older)
        assert environment.loader is not None
        return environment.loader.get_source(environment, f"{name}.jinja")[0]


@cache
def template(name: str, own: Path | None, older: bool) -> Template:
    """The template of a message. Raises jinja2.TemplateError."""
    found = templates(own, older).get_template(f"{name}.jinja")
    # jinja2 merges its globals into the values of each message, and a chain of mappings takes longer than the rest.
    found.globals = dict(found.globals)
    return found


@cache
def templates(own: Path | None, older: bool = False) -> Environment:
    """The shipped templates, and those of a user's folder before them: read once, shared by all tasks."""
    import jinja2

    folders = [shipped_folder() / "0.1"] * older + [shipped_folder()]
    if own is not None:
        check_folder(own)
        folders.insert(0, own)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
        # Messages are plain text: nothing is escaped, but what others wrote goes through `untrusted`.
        autoescape=False,
        auto_reload=False,
    )

    # As jinja2 has it, which would make an encoder for each value.
    environment.policies |= {"json.dumps_function": json.JSONEncoder(sort_keys=True).encode, "json.dumps_kwargs": {}}

    @jinja2.pass_context
    def untrusted(context: Context, text: str, name: str) -> str:
        marker = context["marker"]
        return f"<{name} {marker}>\n{neutral(text, marker)}\n</{name} {marker}>"

    environment.filters["untrusted"] = untrusted
    return environment


def template_sources(own: Path | None) -> dict[str, str]:
    """Every template of a run by name, as it is written, a user's own in place of ours."""
    loader = templates(own).loader
    assert loader is not None
    names = sorted(path.stem for path in shipped_folder().glob("*.jinja"))
    return {name: loader.get_source(templates(own), f"{name}.jinja")[0] for name in names}


def check_folder(folder: Path) -> None:
    """Raise BadSettings unless every template in a user's folder replaces one of ours."""
    if not folder.is_dir():
        what = "a file; give the folder that it is in" if folder.exists() else "no such folder"
        raise BadSettings(f"{option('prompts', str(folder))}: {what}")
    known = {path.name for path in shipped_folder().glob("*.jinja")}
    unknown = sorted(path.name for path in folder.glob("*.jinja") if path.name not in known)
    if unknown:
        near = difflib.get_close_matches(unknown[0], known, n=1, cutoff=0.8)
        hint = f"did you mean {near[0]}?" if near else f"the names are {', '.join(sorted(known))}"
        raise BadSettings(f"{option('prompts', str(folder))}: {unknown[0]} replaces no template; {hint}")
