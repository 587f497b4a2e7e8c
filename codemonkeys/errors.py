"""Every error this package raises on purpose, in one tree.

    CodeMonkeysError
    ├── BadInput                 the user gave something that cannot be used
    │   ├── UnknownDataset       no dataset or task of that name
    │   ├── BadRecord            a record of a dataset or a predictions file is malformed
    │   └── BadSettings          a setting is unknown or has an impossible value
    ├── ModelError               a language model could not answer
    │   ├── MissingKey           the provider's API key is not in the environment
    │   ├── AccessRefused        the provider refuses the key, the account or the model: every call would fail
    │   ├── NothingAnswers       nothing answers at the address of an endpoint
    │   ├── UnusableModel        calls to the model cannot be booked one by one
    │   ├── RejectedRequest      the provider refused the request; a retry cannot help
    │   │   └── PromptTooLong    the prompt is longer than the model takes
    │   ├── RetriesExhausted     every attempt failed with a transient error
    │   ├── NoAnswer             the provider returned an empty answer
    │   ├── FilteredAnswer       the provider's content filter withheld the answer, or the model refused it
    │   ├── NoUsableAnswers      the first answers of a stage are all empty or cut
    │   ├── MissingRecording     a recording has no answer for this step
    │   └── UnpricedModel        a budget was given, but the model has no known price
    ├── BudgetReached            the next call could cost more than the budget has left
    ├── AgentLimitReached        one agent has reached a limit of the settings
    ├── RunInterrupted           the run was asked to stop
    ├── JournalError             the run's database cannot be used
    │   ├── CorruptJournal       the file is damaged or is not a run database
    │   ├── NewerJournal         the file was written by a newer version
    │   ├── RunExists            a run of that name exists with different settings
    │   ├── RunBusy              another process is working on this run
    │   └── StepChanged          the request of a stored step has changed
    ├── RuleFailed               a plugged-in selection rule failed on a task
    ├── PolicyFailed             a plugged-in compute policy failed on a task
    ├── EnvironmentFailed        the environment that a task's code runs in could not be prepared
    ├── SandboxUnavailable       no sandbox can run untrusted code on this machine
    └── ExecutionFailed          the sandbox itself failed on one script, on every attempt

Each message says what happened, where, and what to do next.
"""

import typing


class CodeMonkeysError(Exception):
    """Base of all errors raised on purpose; the message can be shown to the user unchanged."""


class BadInput(CodeMonkeysError):
    """Unusable input from the user; correct it and call again."""


class UnknownDataset(BadInput):
    """No dataset or task of that name; check the path, or pick one of the ids in the message."""


class BadRecord(BadInput):
    """A record of a dataset or predictions file is malformed; the message names file and line."""


class BadSettings(BadInput):
    """A setting is unknown or has an impossible value; `codemonkeys settings` lists them."""


class ModelError(CodeMonkeysError):
    """A language model could not answer; the task fails, the run continues."""

    charged = False
    """Whether the provider may have charged for the call: at its upper bound, unless it said what it counted."""
    finish_reason: str | None = None
    """Why an answer that came ended, in one word, such as `filtered`; None if none came."""

    def __init__(
        self,
        message: str,
        charged: bool | None = None,
        *,
        usage: typing.Any = None,
        finish_reason: str | None = None,
        reasoning: str = "",
    ) -> None:
        """`charged`, `finish_reason`: where they differ from what is usual for this kind of error.

        `usage`: a `models.base.Usage`, if the provider told it. `reasoning`: what the model thought.
        """
        super().__init__(message)
        if charged is not None:
            self.charged = charged
        if finish_reason is not None:
            self.finish_reason = finish_reason
        self.usage = usage
        self.reasoning = reasoning


class MissingKey(ModelError, BadInput):
    """The provider's API key is not in the environment; export it and call again."""


class AccessRefused(ModelError, BadInput):
    """The provider refuses the key, the account or the model; fix it and resume the run."""


class NothingAnswers(ModelError, BadInput):
    """Nothing answers at the address of an endpoint of one's own; start it, or correct the address."""


class UnusableModel(ModelError, BadInput):
    """Calls to the model cannot be booked one by one; choose another name for it, or another model."""


class RejectedRequest(ModelError):
    """The provider refused the request; a retry cannot help."""


class PromptTooLong(RejectedRequest):
    """The prompt is longer than the model takes; the message names the setting that shortens it."""

    charged = True  # Some providers charge for what they read before they refuse it.


class RetriesExhausted(ModelError):
    """Every attempt failed with a transient error; resume the run later."""

    charged = True


class NoAnswer(ModelError):
    """The provider returned an empty answer; it counts as malformed."""

    charged = True
    finish_reason = "empty"


class FilteredAnswer(ModelError):
    """The provider's content filter withheld the answer, or the model refused it; another model may answer."""

    charged = True
    finish_reason = "filtered"


class NoUsableAnswers(ModelError, BadInput):
    """The first answers of a stage are all empty or cut; raise the answer length, or let the model think less."""


class MissingRecording(ModelError, BadInput):
    """A recording has no answer for this step; record again, or run with a model."""


class UnpricedModel(ModelError, BadInput):
    """A budget was given but the model has no known price; give one in a model registry file."""


class BudgetReached(CodeMonkeysError):
    """The next call could cost more than the budget has left; raise it and resume."""


class AgentLimitReached(CodeMonkeysError):
    """One agent has reached a limit of the settings; what it has changed until then is its candidate."""


class RunInterrupted(CodeMonkeysError):
    """The run was asked to stop; finished steps are stored, and a resumed run continues from there."""


class JournalError(CodeMonkeysError):
    """The run's database cannot be used."""


class CorruptJournal(JournalError, BadInput):
    """The file is damaged or is not a run database; it is left unchanged."""


class NewerJournal(JournalError, BadInput):
    """The file was written by a newer version; upgrade codemonkeys to open it."""


class RunExists(JournalError, BadInput):
    """A run of that name exists with different settings; choose another name, or resume it."""


class RunBusy(JournalError, BadInput):
    """Another process is working on this run; wait for it or stop it."""


class StepChanged(JournalError, BadInput):
    """The request of a stored step has changed; accept the changes to redo the step."""


class RuleFailed(CodeMonkeysError):
    """A plugged-in selection rule raised, or returned no valid ranking; fix the rule and resume the run."""


class PolicyFailed(CodeMonkeysError):
    """A plugged-in compute policy raised, or returned no valid allocation; fix the policy and resume the run."""


class EnvironmentFailed(CodeMonkeysError):
    """The environment that a task's code runs in could not be prepared; the task is not attempted."""

    def __init__(self, message: str, output: str = "") -> None:
        """`output`: all that the program that failed has printed, without secrets; the message holds its end."""
        super().__init__(message)
        self.output = output


class SandboxUnavailable(CodeMonkeysError):
    """No sandbox can run untrusted code on this machine; `codemonkeys doctor` says why."""


class ExecutionFailed(CodeMonkeysError):
    """The sandbox itself failed on one script, on every attempt; never counted against a patch."""
