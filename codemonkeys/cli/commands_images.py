"""`images build`, `check` and `clean`: their arguments and options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codemonkeys.cli.exits import end
from codemonkeys.cli.options import Json

images = typer.Typer(no_args_is_help=True, help="Container images for tasks that have no published one.")
Dataset = Annotated[str, typer.Argument(help="SWE-bench rows or a SWE-bench 5 task repository.")]
Instances = Annotated[list[str] | None, typer.Option("--instance", "-i", help="Only this task. Repeat it.")]


@images.command("build")
def images_build(
    dataset: Dataset,
    instance: Instances = None,
    recipes: Annotated[
        Path | None, typer.Option("--recipes", help="YAML with these options for all tasks and, below tasks:, by id.")
    ] = None,
    python: Annotated[str | None, typer.Option("--python", help="Version of Python, such as 3.11.")] = None,
    base: Annotated[
        str | None, typer.Option("--base", help="Image to begin with; python:VERSION-slim if not given.")
    ] = None,
    requirements: Annotated[Path | None, typer.Option("--requirements", help="What pip is to install.")] = None,
    install: Annotated[
        str | None, typer.Option("--install", help="Command that installs the repository, without network.")
    ] = None,
    repository: Annotated[
        str | None, typer.Option("--repository", help="Git repository, a path or an address; GitHub's if not given.")
    ] = None,
    json: Json = False,
) -> None:
    """Build images of tasks.

    From a task's Dockerfile, or from a version of Python, requirements and an install command. Packages
    are fetched by this machine's pip; the build itself has no network.
    """
    from codemonkeys.cli import images as commands
    from codemonkeys.tasks.recipes import Recipe

    def given() -> Recipe:
        return Recipe(python, base, str(requirements) if requirements else None, install, repository)

    end(lambda: commands.build(dataset, instance or [], recipes, given(), json))


@images.command("check")
def images_check(dataset: Dataset, instance: Instances = None, json: Json = False) -> None:
    """Check images by the reference fixes.

    The tools are there, the hidden tests fail on the unedited code and pass with the reference fix.
    """
    from codemonkeys.cli import images as commands

    end(lambda: commands.check(dataset, instance or [], json))


@images.command("clean")
def images_clean(
    instance: Instances = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    json: Json = False,
) -> None:
    """Remove images built here, and copies made for the local sandbox.

    Not while a run uses them, and no others.
    """
    from codemonkeys.cli import images as commands

    end(lambda: commands.clean(instance or [], dry_run, json))
