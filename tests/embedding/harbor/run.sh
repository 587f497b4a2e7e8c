#!/bin/sh
# Drives Harbor itself with our agent on a local Docker engine, and checks what it then has. By hand, not in CI: Harbor
# needs Python 3.12.
#
#   python3.12 -m venv VENV && VENV/bin/pip install harbor==0.25.0 . && sh tests/embedding/harbor/run.sh VENV IMAGE
#
# IMAGE: with a git repository in its WORKDIR, python3, perl and git. The model is `fake`, whose edit makes a file.
set -eu
venv=$1 image=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
task=$work/tasks/by-hand
mkdir -p "$task/tests" "$task/environment"
cat >"$task/task.toml" <<END
schema_version = "1.4"
[task]
name = "codemonkeys/by-hand"
[environment]
docker_image = "$image"
network_mode = "no-network"
[agent]
timeout_sec = 1800
[verifier]
timeout_sec = 120
END
echo "The repository lacks the file that the fake model makes." >"$task/instruction.md"
cat >"$task/tests/test.sh" <<'END'
#!/bin/bash
status=$(git status --porcelain)
[ "$status" = "?? codemonkeys_dry_run.txt" ] && reward=1 || reward=0
echo "$status"
echo $reward >/logs/verifier/reward.txt
END
cd "$work"
PYTHONPATH=$here HARBOR_TELEMETRY=off "$venv/bin/harbor" run --path "$task" --jobs-dir jobs --job-name job --yes --quiet \
    --agent-import-path codemonkeys.harbor:CodeMonkeys --model fake --ak config="generation.samples=2" \
    --environment-import-path local_docker:LocalDocker
"$venv/bin/python" - <<'END'
import json
from pathlib import Path

from harbor.utils.trajectory_validator import TrajectoryValidator

(trial,) = [path.parent for path in Path("jobs/job").glob("*/result.json")]
result = json.loads((trial / "result.json").read_text())
print(json.dumps({name: result[name] for name in ("agent_info", "agent_result", "verifier_result", "exception_info")}))
assert result["verifier_result"]["rewards"] == {"reward": 1.0}, result["verifier_result"]
used = result["agent_result"]
assert used["n_input_tokens"] > 0 and used["n_output_tokens"] > 0 and used["cost_usd"] == 0, used
validator = TrajectoryValidator()
assert validator.validate(trial / "agent" / "trajectory.json"), validator.get_errors()
assert (trial / "agent" / "codemonkeys" / "run.db").is_file()
print("reward, tokens, costs and a valid trajectory")
END
