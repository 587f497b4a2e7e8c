"""What `examples/cluster/` shows: a manifest for KubeRay, and a script for Slurm."""

from __future__ import annotations

import copy
import os
import re
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

CLUSTER = Path(__file__).parents[2] / "examples" / "cluster"
SCHEMA = yaml.safe_load(Path(__file__).with_name("raycluster.schema.yaml").read_text())
MANIFEST: Any = yaml.safe_load((CLUSTER / "kuberay.yaml").read_text())
SCRIPT = (CLUSTER / "slurm.sh").read_text()


def test_manifest_is_a_ray_cluster() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(MANIFEST, SCHEMA)


def unknown_field(manifest: Any) -> None:
    manifest["spec"]["workerGroupSpecs"][0]["replica"] = 4


def bare_number(manifest: Any) -> None:
    manifest["spec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] = 0


def bad_quantity(manifest: Any) -> None:
    manifest["spec"]["workerGroupSpecs"][0]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] = (
        "64G B"
    )


@pytest.mark.parametrize("spoil", [unknown_field, bare_number, bad_quantity])
def test_a_spoilt_manifest_is_refused(spoil: Callable[[Any], None]) -> None:
    manifest = copy.deepcopy(MANIFEST)
    spoil(manifest)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(manifest, SCHEMA)


def test_every_volume_that_is_mounted_is_there_and_the_head_runs_nothing() -> None:
    spec = MANIFEST["spec"]
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        mounted = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}
        assert pod["automountServiceAccountToken"] is False
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert spec["authOptions"]["mode"] == "token"


def test_script_is_bash() -> None:
    subprocess.run(["bash", "-n", CLUSTER / "slurm.sh"], check=True)
    assert (CLUSTER / "slurm.sh").stat().st_mode & stat.S_IXUSR


PROGRAMS = {
    "scontrol": 'printf "one\\ntwo\\nthree\\n"',
    "srun": 'echo "$*" >> "$LOG"; env >> "$LOG.srun"; exec sleep 60',
    "ray": "exit 0",
    # Both calls of srun have left their marks by then.
    "codemonkeys": 'for _ in {1..1200}; do [ "$(grep -c ^SLURM_JOB_ID "$LOG.srun")" = 2 ] && break; sleep 0.05; done '
    "2> /dev/null\n"
    'echo "$*" >> "$LOG"; env > "$LOG.driver"; stat -c %a "$RAY_AUTH_TOKEN_PATH" >> "$LOG"',
    "python": "echo secret-token",
}


def test_script_starts_a_head_and_nodes_with_a_token_and_gives_keys_to_the_driver_alone(tmp_path: Path) -> None:
    """Programs of Slurm and Ray are stood in for by ones that note how they were called."""
    programs = tmp_path / "venv" / "bin"
    programs.mkdir(parents=True)
    for name, text in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/bash\n{text}\n")
        (programs / name).chmod(0o755)
    (tmp_path / "keys").write_text("OPENAI_API_KEY=canary\n")
    slurm = {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "nodes", "SLURM_JOB_NUM_NODES": "3", "SLURM_CPUS_ON_NODE": "16"}
    variables = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(tmp_path), "USER": "me", **slurm}
    variables |= {"VENV": str(tmp_path / "venv"), "KEYS": str(tmp_path / "keys"), "LOG": str(tmp_path / "log")}
    words = ["bash", str(CLUSTER / "slurm.sh"), "TASKS", "--run", "mine"]
    done = subprocess.run(words, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    log = (tmp_path / "log").read_text()
    (exported,) = set(re.findall(r"--export=(\S+)", log))
    assert exported.startswith("PATH,HOME") and "_API_KEY" not in exported
    assert re.search(r"--nodelist=one .*ray start --head --block --port=20007 --num-cpus=0", log)
    assert re.search(r"--nodes=2 .*--exclude=one ray start --block --address=one:20007 --num-cpus=16", log)
    assert "solve TASKS --run mine --sandbox ray --ray-address one:20007\n600\n" in log
    assert "canary" not in (tmp_path / "log.srun").read_text()
    assert "OPENAI_API_KEY=canary" in (tmp_path / "log.driver").read_text()
    assert not list(tmp_path.glob(".codemonkeys-token*"))
