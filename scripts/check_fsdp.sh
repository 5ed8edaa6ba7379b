#!/usr/bin/env bash
# Whether FSDP works on this machine's GPUs: a few steps of pretraining with preset tiny, and as many again from its checkpoint.
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONUNBUFFERED=1 PYTHONPATH="${PYTHONPATH:-}:." OMP_NUM_THREADS=1
folder="$(mktemp -d)"
python3 -m lapose_core.cli train vqvae --config config/train/vqvae_tiny.yaml --output "$folder/vqvae"
for steps in 8 16; do
  sed -e "s/^steps:.*/steps: $steps/" -e 's/^device:.*/device: cuda/' config/train/pretrain_tiny.yaml >"$folder/fsdp.yaml"
  echo "strategy: fsdp" >>"$folder/fsdp.yaml"
  python3 -m torch.distributed.run --standalone --nproc-per-node "$(nvidia-smi --list-gpus | wc -l)" -m lapose_core.cli \
    train pretrain --config "$folder/fsdp.yaml" --vqvae "$folder/vqvae" --output "$folder/run"
done
