"""Checks the templates of a run before money is spent: each is rendered once with sample values."""

from __future__ import annotations

from pathlib import Path

from codemonkeys.errors import BadSettings
from codemonkeys.prompting.rendering import RAISED, Prompts, check_folder, template, templates
from codemonkeys.prompting.samples import RUN, SAMPLES

MARKER = "0123abcd"


def check_prompts(own: Path | None) -> None:
    """Raise BadSettings unless every template, replaced by the user's own or not, can be rendered.

    A variable that no message is given is found wherever it stands in the template, also where no sample leads.
    """
    if own is not None:
        # A program may open one session after another, and its user correct a template between them.
        templates.cache_clear()
        template.cache_clear()
        check_folder(own)
    prompts = Prompts(MARKER, own, RUN)
    problems = []
    for name, samples in SAMPLES.items():
        known = {"marker", *RUN, *samples[0]}
        problem = _undeclared(own, name, known)
        for values in samples if problem is None else ():
            try:
                prompts(name, **values)
            except BadSettings as error:
                problem = str(error)
                break
        if problem is not None:
            problems.append(problem)
    if problems:
        raise BadSettings("\n".join(problems))


def _undeclared(own: Path | None, name: str, known: set[str]) -> str | None:
    """What is wrong with a template that uses a variable it is not given; None if it does not."""
    import jinja2
    from jinja2 import meta

    environment = templates(own)
    assert environment.loader is not None
    try:
        source, path, _ = environment.loader.get_source(environment, f"{name}.jinja")
        unknown = sorted(meta.find_undeclared_variables(environment.parse(source)) - known)
    except (jinja2.TemplateError, *RAISED) as error:
        return f"prompt template {name}.jinja: {error}; correct it in {own or 'prompts'}"
    if not unknown:
        return None
    return (
        f"prompt template {name}.jinja uses {', '.join(unknown)}, which that message is not given; "
        f"it may use {', '.join(sorted(known))}. Correct {path}"
    )
