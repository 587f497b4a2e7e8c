"""The commands of an agent as native tools: their schemas, and the commands that calls of them are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from codemonkeys.agent.commands import Add, Bash, Command, Edits, Submit, Unreadable, WriteTest, checked
from codemonkeys.generation.answers import Create, Delete, Rename, Replace
from codemonkeys.generation.look_ups import RunTests, Show, read_look_up
from codemonkeys.models.tool_calls import Tool, ToolCall

SUBMIT, ADD = "submit", "add_to_patch"
PATH = "Path of a file, from the root folder of the repository."


def tool(name: str, description: str, optional: Sequence[str] = (), **parameters: str) -> Tool:
    """A tool whose parameters are texts, or numbers if they are named for a line. `parameters`: what each is."""
    properties = {
        parameter: {"type": kind_of(parameter).__name__.replace("str", "string").replace("int", "integer")}
        | {"description": meaning}
        for parameter, meaning in parameters.items()
    }
    required = [parameter for parameter in parameters if parameter not in optional]
    return Tool(name, description, {"type": "object", "properties": properties, "required": required})


def kind_of(parameter: str) -> type[str] | type[int]:
    """The type of a parameter."""
    return int if parameter.endswith("_line") else str


TOOLS = (
    tool(
        "bash",
        "Run shell commands by Bash in the root folder of the repository. Files stay for later calls; variables, the "
        "current folder and background processes do not. There is no network.",
        command="One or more lines of Bash.",
    ),
    tool(
        "view_file",
        "Show lines of a file, by default all of them.",
        path=PATH,
        first_line="The first line to show, counted from 1.",
        last_line="The last line to show; by default that of the file.",
        optional=("first_line", "last_line"),
    ),
    tool(
        "find", "Show the lines of the repository that contain all of some words.", words="Up to 8 words of one line."
    ),
    tool(
        "run_test",
        "Run a test file of the repository, or one test in it, as it was committed, on the files as they are now.",
        path="Path of the test file.",
        test="Name of one test in it; by default all run.",
        optional=("test",),
    ),
    tool(
        "edit_file",
        "Replace lines of a file as it is now.",
        path=PATH,
        old_lines="Whole consecutive lines of the file, copied exactly, that occur once.",
        new_lines="The lines to put in their place; empty to remove them.",
    ),
    tool(
        "create_file",
        "Create a file, which becomes part of the patch.",
        path=PATH,
        content="The whole content of the file.",
    ),
    tool("delete_file", "Delete a file.", path=PATH),
    tool("rename_file", "Rename or move a file.", path=PATH, new_path="Its path afterwards."),
    tool(
        ADD,
        "Make a new file part of the patch that a shell command wrote; files that create_file or rename_file made are "
        "part of it anyway.",
        path=PATH,
    ),
    tool(
        "write_test",
        "Write the test script that tells whether the issue is there, or replace it.",
        script="The whole script.",
    ),
    tool(SUBMIT, "Submit, when the patch and the test script are as they should be; the last call of an answer."),
)
BY_NAME = {tool.name: tool for tool in TOOLS}


def commands_of(calls: Sequence[ToolCall]) -> tuple[Command, ...]:
    """The command of each call of an answer, in order. Raises MalformedAnswer if they cannot go together."""
    return checked([command_of(call) for call in calls], SUBMIT)


def command_of(call: ToolCall) -> Command:
    """The command that a call is."""
    if call.name not in BY_NAME:
        return Unreadable(f"there is no tool {call.name!r}. There are: {', '.join(BY_NAME)}.")
    try:
        return COMMANDS[call.name](read_arguments(call))
    except ValueError as problem:
        return Unreadable(f"nothing was carried out: the arguments of {call.name} cannot be used: {problem}.")


def read_arguments(call: ToolCall) -> dict[str, Any]:
    """The arguments of a call that its tool has, each of the right type. Raises ValueError saying what is wrong."""
    found = call.read_arguments()
    schema = BY_NAME[call.name].parameters
    taken: dict[str, Any] = {}
    for name in schema["properties"]:
        kind, value = kind_of(name), found.get(name)
        if value is None:
            if name in schema["required"]:
                raise ValueError(f"{name} is missing")
        elif type(value) is not kind:
            raise ValueError(f"{name} must be {'a whole number' if kind is int else 'a text'}")
        else:
            taken[name] = value
    return taken


def whole_lines(text: str) -> str:
    """A text whose last line ends as lines do."""
    return text if not text or text.endswith("\n") else f"{text}\n"


def filled(arguments: Mapping[str, Any], name: str) -> str:
    """An argument that must hold more than blanks. Raises ValueError."""
    value = str(arguments[name])
    if not value.strip():
        raise ValueError(f"{name} is empty")
    return value


def show(arguments: Mapping[str, Any]) -> Show:
    """The look-up of lines. Raises ValueError."""
    first, last = arguments.get("first_line", 1), arguments.get("last_line")
    if first < 1 or (last is not None and last < first):
        raise ValueError("lines count from 1, and the last is not before the first")
    return Show(filled(arguments, "path"), first, last)


COMMANDS: Mapping[str, Callable[[Mapping[str, Any]], Command]] = {
    "bash": lambda given: Bash(whole_lines(filled(given, "command"))),
    "view_file": show,
    "find": lambda given: read_look_up("FIND", filled(given, "words")),
    "run_test": lambda given: RunTests(filled(given, "path"), given.get("test", "")),
    "edit_file": lambda given: Edits(
        (Replace(filled(given, "path"), *(whole_lines(given[name]) for name in ("old_lines", "new_lines"))),)
    ),
    "create_file": lambda given: Edits((Create(filled(given, "path"), whole_lines(given["content"])),)),
    "delete_file": lambda given: Edits((Delete(filled(given, "path")),)),
    "rename_file": lambda given: Edits((Rename(filled(given, "path"), filled(given, "new_path")),)),
    ADD: lambda given: Add(filled(given, "path")),
    "write_test": lambda given: WriteTest(whole_lines(filled(given, "script"))),
    SUBMIT: lambda given: Submit(),
}
