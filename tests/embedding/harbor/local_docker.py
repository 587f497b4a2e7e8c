"""An environment of Harbor by the plain Docker command line: Harbor's own needs the plugin Compose, and a network."""

from __future__ import annotations

import asyncio
from pathlib import Path

from harbor.environments.base import BaseEnvironment, ExecResult
from harbor.environments.capabilities import EnvironmentCapabilities


class LocalDocker(BaseEnvironment):
    """A container of the image that the task names, without network."""

    @staticmethod
    def type() -> str:
        return "local-docker"

    @property
    def capabilities(self) -> EnvironmentCapabilities:
        return EnvironmentCapabilities(disable_internet=True)

    def _validate_definition(self) -> None:
        if not self.task_env_config.docker_image:
            raise ValueError("the task names no docker_image")

    @property
    def _name(self) -> str:
        return f"harbor-by-hand-{self.session_id.lower()}"

    async def start(self, force_build: bool) -> None:
        image = str(self.task_env_config.docker_image)
        await self._docker("run", "-d", "--rm", "--network=none", f"--name={self._name}", image, "sleep", "3600")
        await self.exec("mkdir -p /logs/agent /logs/verifier /logs/artifacts && chmod 777 /logs/*")

    async def stop(self, delete: bool) -> None:
        await self._docker("rm", "-f", self._name)

    async def upload_file(self, source_path: Path | str, target_path: str) -> None:
        await self._docker("cp", str(source_path), f"{self._name}:{target_path}")

    async def upload_dir(self, source_dir: Path | str, target_dir: str) -> None:
        await self.exec(f"mkdir -p {target_dir}")
        await self._docker("cp", f"{source_dir}/.", f"{self._name}:{target_dir}")

    async def download_file(self, source_path: str, target_path: Path | str) -> None:
        await self._docker("cp", f"{self._name}:{source_path}", str(target_path))

    async def download_dir(self, source_dir: str, target_dir: Path | str) -> None:
        await self._docker("cp", f"{self._name}:{source_dir}/.", str(target_dir))

    async def exec(
        self,
        command: str,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        timeout_sec: int | None = None,
        user: str | int | None = None,
    ) -> ExecResult:
        options = [f"--env={name}={value}" for name, value in (self._merge_env(env) or {}).items()]
        options += [f"--workdir={cwd}"] if cwd else []
        options += [f"--user={user}"] if user is not None else []
        return await self._call("exec", *options, self._name, "bash", "-c", command, seconds=timeout_sec)

    async def _docker(self, *words: str) -> None:
        done = await self._call(*words)
        if done.return_code:
            raise RuntimeError(f"docker {words[0]} failed: {done.stderr}")

    async def _call(self, *words: str, seconds: float | None = None) -> ExecResult:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec("docker", *words, stdout=pipe, stderr=pipe)
        out, err = await asyncio.wait_for(process.communicate(), seconds)
        code = process.returncode or 0
        return ExecResult(stdout=out.decode(errors="replace"), stderr=err.decode(errors="replace"), return_code=code)
