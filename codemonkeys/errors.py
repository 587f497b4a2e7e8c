"""Every error this package raises on purpose, in one tree.

    CodeMonkeysError
    ├── BadInput                 the user gave something that cannot be used
    │   ├── UnknownDataset       no dataset or task of that name
    │   ├── BadRecord            a record of a dataset or a predictions file is malformed
    │   └── BadSettings          a setting is unknown or has an impossible value
    ├── ModelError               a language model could not answer
    │   ├── MissingKey           the provider's API key is not in the environment
    │   ├── AccessRefused        the provider refuses the key, the account or the model: every call would fail
    │   ├── RejectedRequest      the provider refused the request; asking again cannot help
    │   ├── RetriesExhausted     every attempt failed for a passing reason
    │   ├── NoAnswer             the provider answered without any text
    │   ├── FilteredAnswer       the provider withheld the answer by a content filter
    │   ├── MissingRecording     a replay holds no answer for this step
    │   └── UnpricedModel        a budget was given, but the model has no known price
    ├── BudgetReached            the next call could cost more than the budget has left
    ├── RunInterrupted           the run was asked to stop
    ├── JournalError             the run's database cannot be used
    │   ├── CorruptJournal       the file is damaged or is no run database
    │   ├── NewerJournal         the file was written by a newer version
    │   ├── RunExists            a run of that name exists with other settings
    │   ├── RunBusy              another process works on this run
    │   └── StepChanged          a stored step was asked with another request
    ├── RuleFailed               a selection rule from outside failed on a task
    ├── EnvironmentFailed        the place where a task's code runs could not be prepared
    ├── SandboxUnavailable       no sandbox can run untrusted code on this machine
    └── ExecutionFailed          the sandbox itself failed, again and again, on one script

Each message says what happened, where, and what to do next.
"""


class CodeMonkeysError(Exception):
    """Base of all errors raised on purpose: the message is fit to be shown to the user as it is."""


class BadInput(CodeMonkeysError):
    """The user gave something that cannot be used; correct it and call again."""


class UnknownDataset(BadInput):
    """No dataset or task of that name; check the path, or list the ids the message offers."""


class BadRecord(BadInput):
    """A record of a dataset or predictions file is malformed; the message names file and line."""


class BadSettings(BadInput):
    """A setting is unknown or has an impossible value; `codemonkeys settings` lists them."""


class ModelError(CodeMonkeysError):
    """A language model could not answer; the task fails, the run goes on."""


class MissingKey(ModelError, BadInput):
    """The provider's API key is not in the environment; export it and call again."""


class AccessRefused(ModelError, BadInput):
    """The provider refuses the key, the account or the model; correct that and resume the run."""


class RejectedRequest(ModelError):
    """The provider refused the request; asking again cannot help."""


class RetriesExhausted(ModelError):
    """Every attempt failed for a passing reason; resume the run later."""


class NoAnswer(ModelError):
    """The provider answered without any text; counted as a malformed answer."""


class FilteredAnswer(ModelError):
    """The provider withheld the answer by a content filter; another model may answer."""


class MissingRecording(ModelError, BadInput):
    """A replay holds no answer for this step; record it, or run with a model."""


class UnpricedModel(ModelError, BadInput):
    """A budget was given but the model has no known price; give one in a model registry file."""


class BudgetReached(CodeMonkeysError):
    """The next call could cost more than the budget has left; raise it and resume."""


class RunInterrupted(CodeMonkeysError):
    """The run was asked to stop; what has ended is stored, and a resumed run goes on from there."""


class JournalError(CodeMonkeysError):
    """The run's database cannot be used."""


class CorruptJournal(JournalError, BadInput):
    """The file is damaged or is no run database; it is left as it is."""


class NewerJournal(JournalError, BadInput):
    """The file was written by a newer version; upgrade codemonkeys to open it."""


class RunExists(JournalError, BadInput):
    """A run of that name exists with other settings; choose another name, or resume it."""


class RunBusy(JournalError, BadInput):
    """Another process works on this run; wait for it or stop it."""


class StepChanged(JournalError, BadInput):
    """A stored step was asked with another request; accept the changes to ask it again."""


class RuleFailed(CodeMonkeysError):
    """A selection rule from outside failed on a task, or its answer is no ranking; correct it and resume the run."""


class EnvironmentFailed(CodeMonkeysError):
    """The place where a task's code runs could not be prepared; the task is not attempted."""


class SandboxUnavailable(CodeMonkeysError):
    """No sandbox can run untrusted code on this machine; `codemonkeys doctor` says why."""


class ExecutionFailed(CodeMonkeysError):
    """The sandbox itself failed, again and again, on one script; never counted against a patch."""
