#!/usr/bin/env bash
# Whether FSDP works on this machine's GPUs: a few steps of pretraining with preset tiny, and as many again from their
# checkpoint; two and a half minutes at most. Not yet seen to work: on 27 November 2026 two H100 got no step done in 90 s.
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONFAULTHANDLER=1 PYTHONUNBUFFERED=1 PYTHONPATH="${PYTHONPATH:-}:." OMP_NUM_THREADS=1
folder="$(mktemp -d)"
# One that hangs says where: each process prints its stacks.
(sleep 150 && pkill -ABRT -f "lapose_core.cli train pretrain") &
watchdog=$!
trap 'kill $watchdog 2>/dev/null || true' EXIT
python3 -m lapose_core.cli train vqvae --config config/train/vqvae_tiny.yaml --output "$folder/vqvae"
for steps in 8 16; do
  sed -e "s/^steps:.*/steps: $steps/" -e 's/^device:.*/device: cuda/' config/train/pretrain_tiny.yaml >"$folder/fsdp.yaml"
  echo "strategy: fsdp" >>"$folder/fsdp.yaml"
  python3 -m torch.distributed.run --standalone --nproc-per-node "$(nvidia-smi --list-gpus | wc -l)" -m lapose_core.cli \
    train pretrain --config "$folder/fsdp.yaml" --vqvae "$folder/vqvae" --output "$folder/run"
done
