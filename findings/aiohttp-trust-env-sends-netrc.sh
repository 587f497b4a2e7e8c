#!/usr/bin/env bash
# With `trust_env=True`, aiohttp sends logins of ~/.netrc, not only takes proxies from the environment.
#
# One would guess that `trust_env` is about proxies, as the variables HTTP_PROXY and NO_PROXY. aiohttp then also looks
# for the host of every request that has no login in ~/.netrc (or the file that NETRC names), and sends what it finds:
# an endpoint that was given no key gets a password. The file is read before each such request, in a thread.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check aiohttp==3.14.5

cat > probe.py <<'PY'
import asyncio
from importlib.metadata import version

from aiohttp import ClientSession, web

seen: list[str | None] = []


async def respond(request: web.Request) -> web.Response:
    seen.append(request.headers.get("Authorization"))
    return web.Response()


async def main() -> None:
    app = web.Application()
    app.router.add_post("/", respond)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    for trust_env in (False, True):
        async with ClientSession(trust_env=trust_env) as session:
            await session.post(f"http://127.0.0.1:{runner.addresses[0][1]}/")
        print(f"trust_env={trust_env}: Authorization: {seen[-1]}")
    await runner.cleanup()


print("aiohttp", version("aiohttp"))
asyncio.run(main())
assert seen == [None, "Basic bWU6bXktcGFzc3dvcmQ="], "changed"
PY
printf 'machine 127.0.0.1 login me password my-password\n' > netrc
chmod 600 netrc
NETRC="$folder/netrc" venv/bin/python probe.py
