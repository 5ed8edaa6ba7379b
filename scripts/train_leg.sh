#!/usr/bin/env bash
# One leg of the training of models/compact on a machine with GPUs: scripts/train_leg.sh LEG LEGS MINUTES [FROM]
#
# Goes on from runs/compact where an earlier leg left it, on all GPUs. Leaves the checkpoint and the log in $OUT as well, if
# that is set: there they are brought back from a machine that is lent for minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
leg="$1" legs="$2" minutes="$3" from="${4:-}"
export PYTHONUNBUFFERED=1 PYTHONPATH=. OMP_NUM_THREADS=1

gpus="$(nvidia-smi --list-gpus | wc -l)"
python3 -m torch.distributed.run --standalone --nproc-per-node "$gpus" -m lapose_core.cli train pose \
  --config config/train/pose_compact.yaml --output runs/compact --minutes "$minutes" --leg "$leg" --legs "$legs" \
  ${from:+--from "$from"}
[[ -z "${OUT:-}" ]] || cp runs/compact/*.json runs/compact/*.jsonl runs/compact/*.safetensors "$OUT"
