"""Arguments and options of `images build`, `check` and `clean`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codemonkeys.cli.exits import end
from codemonkeys.cli.options import Json, RayAddress

images = typer.Typer(no_args_is_help=True, help="Build, check and remove container images of tasks.")
Dataset = Annotated[str, typer.Argument(help="SWE-bench rows or a SWE-bench 5 task repository.")]
Instances = Annotated[list[str] | None, typer.Option("--instance", "-i", help="Only this task. Repeatable.")]


@images.command("build")
def images_build(
    dataset: Dataset,
    instance: Instances = None,
    recipes: Annotated[
        Path | None,
        typer.Option("--recipes", help="YAML file with these options for all tasks and, under `tasks:`, per task id."),
    ] = None,
    python: Annotated[str | None, typer.Option("--python", help="Python version, such as 3.11.")] = None,
    base: Annotated[str | None, typer.Option("--base", help="Base image. Default: python:VERSION-slim.")] = None,
    requirements: Annotated[
        Path | None, typer.Option("--requirements", help="Requirements file to install with pip.")
    ] = None,
    install: Annotated[
        str | None, typer.Option("--install", help="Command that installs the repository. It runs without network.")
    ] = None,
    repository: Annotated[
        str | None, typer.Option("--repository", help="Git repository, as a path or URL. Default: the one on GitHub.")
    ] = None,
    json: Json = False,
) -> None:
    """Build container images for tasks.

    Each is built from the task's Dockerfile, or from a Python version, requirements and an install command.
    This machine's pip downloads the packages; the build itself has no network.
    """
    from codemonkeys.cli import images as commands
    from codemonkeys.tasks.recipes import Recipe

    def recipe() -> Recipe:
        return Recipe(python, base, str(requirements) if requirements else None, install, repository)

    end(lambda: commands.build(dataset, instance or [], recipes, recipe(), json))


@images.command("check")
def images_check(
    dataset: Dataset,
    instance: Instances = None,
    scripts: Annotated[
        Path | None,
        typer.Option(
            "--scripts",
            help="Folder with scripts or parsers of the data set's harness, as a clone. Default: that of the rows.",
        ),
    ] = None,
    sandbox: Annotated[
        str,
        typer.Option(
            "--sandbox",
            help="docker; local, to validate what the local sandbox builds instead; or ray, for either on the nodes of "
            "a cluster.",
        ),
    ] = "docker",
    ray_address: RayAddress = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", "-w", min=1, help="Number of tasks validated in parallel. Default: 1, or what a cluster takes."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Validate images with the reference fixes.

    An image passes if it has the required tools and the hidden tests fail on the base commit and pass with the
    reference fix.
    """
    from codemonkeys.cli import images as commands

    place = commands.CheckPlace(sandbox, ray_address)
    end(lambda: commands.check(dataset, instance or [], json, scripts, place, workers))


@images.command("clean")
def images_clean(
    instance: Instances = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be removed.")] = False,
    json: Json = False,
) -> None:
    """Remove images built here, and image copies of the local sandbox.

    Other images are never touched. Do not run it while a run uses these images.
    """
    from codemonkeys.cli import images as commands

    end(lambda: commands.clean(instance or [], dry_run, json))
