#!/bin/bash
# A Ray cluster for one run, on the nodes of one Slurm job:
#
#     sbatch --nodes=9 examples/cluster/slurm.sh TASKS --model MODEL --run NAME
#
# Arguments are those of `codemonkeys solve`. The first node carries the driver, all others executions. The home folder
# is shared by the nodes; codemonkeys[ray] is installed in a virtual environment there, named by VENV. Keys of providers
# stand in a file that only you can read, named by KEYS, as lines NAME=VALUE: the driver alone reads them.
#SBATCH --job-name=codemonkeys
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --mem=0
#SBATCH --time=24:00:00
set -euo pipefail

venv=${VENV:-$HOME/codemonkeys}
keys=${KEYS:-$HOME/.config/codemonkeys/keys}
port=$((20000 + SLURM_JOB_ID % 20000))
read -r head < <(scontrol show hostnames "$SLURM_JOB_NODELIST")

# All processes of the cluster know this token, and take no work from anybody without it.
umask 077
RAY_AUTH_TOKEN_PATH=$HOME/.codemonkeys-token-$SLURM_JOB_ID
"$venv/bin/python" -c 'import secrets; print(secrets.token_hex(32))' > "$RAY_AUTH_TOKEN_PATH"
trap 'kill $(jobs -p) 2> /dev/null; rm -f "$RAY_AUTH_TOKEN_PATH"' EXIT
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH RAY_USAGE_STATS_ENABLED=0
# Disks of the nodes: environments are large, and names of sockets must be short.
export CODEMONKEYS_HOME=${CODEMONKEYS_HOME:-/tmp/codemonkeys-$USER}
export PATH=$venv/bin:$PATH

# Nothing else of this shell reaches the nodes: Slurm would hand over all of its variables.
only=PATH,HOME,USER,LANG,CODEMONKEYS_HOME,RAY_AUTH_MODE,RAY_AUTH_TOKEN_PATH,RAY_USAGE_STATS_ENABLED
files=/tmp/ray-$SLURM_JOB_ID

srun --export="$only" --overlap --nodes=1 --ntasks=1 --nodelist="$head" \
    ray start --head --block --port="$port" --num-cpus=0 --include-dashboard=false --temp-dir="$files" &
until ray status --address "$head:$port" > /dev/null 2>&1; do
    sleep 2
done
if [ "$SLURM_JOB_NUM_NODES" -gt 1 ]; then
    srun --export="$only" --overlap --nodes=$((SLURM_JOB_NUM_NODES - 1)) --ntasks=$((SLURM_JOB_NUM_NODES - 1)) \
        --exclude="$head" ray start --block --address="$head:$port" --num-cpus="$SLURM_CPUS_ON_NODE" &
fi

# The batch script runs on the first node. Resume what a time limit ended by `codemonkeys resume` in another job.
set -a
# shellcheck disable=SC1090
[ -f "$keys" ] && . "$keys"
set +a
codemonkeys solve "$@" --sandbox ray --ray-address "$head:$port"
