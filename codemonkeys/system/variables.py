"""The environment variables that other programs get from us."""

from __future__ import annotations

import os

from codemonkeys.redact import SECRET_NAME


def variables_without_secrets() -> dict[str, str]:
    """Our environment variables without API keys, for programs that may run foreign code.

    pip is one of them: it runs the build scripts of source distributions. Its own settings (`PIP_*`) stay.
    """
    return {
        name: value for name, value in os.environ.items() if name.startswith("PIP_") or not SECRET_NAME.search(name)
    }
