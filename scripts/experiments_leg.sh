#!/usr/bin/env bash
# The experiments on a machine that is lent for minutes, a seed on each of its GPUs: scripts/experiments_leg.sh MINUTES [FOLDER]
#
# Goes on in FOLDER (runs/experiments) from where an earlier call stopped. Results and logs are left in $OUT, if that is set, as
# one archive: of many files not all come back, and of large ones none (checkpoints are gigabytes: what is to be measured
# with them has to be measured there).
# Wheels of what the machine lacks are taken from .whl, packed real clips from .scratch/real, if they are there.
set -euo pipefail
cd "$(dirname "$0")/.."
minutes="$1" folder="${2:-runs/experiments}"
if compgen -G ".whl/*.whl" >/dev/null; then python3 -m pip install -q --no-index --no-deps --target /tmp/wheels .whl/*.whl; fi
export PYTHONUNBUFFERED=1 PYTHONPATH="/tmp/wheels:." OMP_NUM_THREADS=1

real=""
[[ ! -d .scratch/real ]] || real="--real .scratch/real"
mkdir -p "$folder"
for seed in $(seq 0 $(($(nvidia-smi --list-gpus | wc -l) - 1))); do
  CUDA_VISIBLE_DEVICES="$seed" python3 -m experiments.run --seed "$seed" --minutes "$minutes" --budget minutes \
    --matching models/compact $real --clips 128 --output "$folder" >>"$folder/seed$seed.log" 2>&1 &
done
wait
tail -n 5 "$folder"/seed*.log
[[ -z "${OUT:-}" ]] || (cd "$folder" && find . -name "*.json" -o -name "*.jsonl" -o -name "*.log") |
  tar -czf "$OUT/experiments.tgz" -C "$folder" -T -
