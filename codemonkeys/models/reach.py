"""Whether anything answers at the address of an endpoint of the user's own, before money is spent."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from codemonkeys.errors import BadSettings, NothingAnswers
from codemonkeys.redact import redact
from codemonkeys.wording import option

PORTS = {"http": 80, "https": 443}
SECONDS = 5.0
"""Time to connect. An endpoint that takes longer is left to the retries of the first call."""


def check_reach(address: str) -> None:
    """Raise BadSettings unless the address is a URL, NothingAnswers if no connection can be made to its host and port.

    Nothing is sent. Behind a proxy only the proxy can know, so nothing is checked.
    """
    try:
        url = urlsplit(address)
        scheme, host, port = url.scheme, url.hostname, url.port
        if scheme not in PORTS or not host:
            raise ValueError
        if (scheme in getproxies() or "all" in getproxies()) and not proxy_bypass(host):
            return
        socket.create_connection((host, port or PORTS[scheme]), SECONDS).close()
    except TimeoutError:
        return
    except OSError as error:
        raise NothingAnswers(
            f"nothing answers at {redact(address)} ({error.strerror or error}); start the endpoint, or correct "
            f"{option('api_base')}"
        ) from None
    except ValueError:  # UnicodeError too, for a host that no name can be
        raise BadSettings(
            f"{option('api_base', redact(address))}: not the address of an endpoint; give it as http://HOST:PORT/v1"
        ) from None
