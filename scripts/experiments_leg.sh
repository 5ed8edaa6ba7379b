#!/usr/bin/env bash
# The experiments on a machine that is lent for minutes, a seed on each of its GPUs:
#   scripts/experiments_leg.sh MINUTES [FOLDER [RUN...]]
#
# Goes on in FOLDER (runs/experiments) from where an earlier call stopped; with the runs that are named, or all. Results and
# logs are left in $OUT, if that is set, as one archive, every half minute: of many files not all come back, of large ones
# none (weights are 23 MB a run in half precision: what is to be measured with them is measured there), and of a call that
# is cut off only what lies there by then.
# Wheels of what the machine lacks are taken from .whl. Packed real clips in .scratch/real and sequences of KITTI in
# .scratch/kitti are kept in FOLDER, as one call does not carry all; KITTI=1 measures with them at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
minutes="$1" folder="${2:-runs/experiments}"
shift $(($# < 2 ? 1 : 2))
if compgen -G ".whl/*.whl" >/dev/null; then python3 -m pip install -q --no-index --no-deps --target /tmp/wheels .whl/*.whl; fi
export PYTHONUNBUFFERED=1 PYTHONPATH="/tmp/wheels:." OMP_NUM_THREADS=1

real="" only=""
mkdir -p "$folder"/{kitti,real}
for kept in kitti real; do [[ ! -d .scratch/$kept ]] || cp -r ".scratch/$kept/." "$folder/$kept/"; done
[[ -z "$(ls "$folder/real")" ]] || real="--real $folder/real"
[[ $# == 0 ]] || only="--only matching $*"

pack() {
  [[ -n "${OUT:-}" ]] || return 0
  (cd "$folder" && find . \( -name "*.json" -o -name "*.jsonl" -o -name "*.log" \) ! -path "./real/*" ! -path "./kitti/*") |
    tar -czf "$OUT/.packing" -C "$folder" -T - && mv "$OUT/.packing" "$OUT/experiments.tgz"
}
(while sleep 30; do pack; done) &
packing=$!
trap 'kill $packing 2>/dev/null || true' EXIT
runs=()
for seed in $(seq 0 $(($(nvidia-smi --list-gpus | wc -l) - 1))); do
  # One after the other: two pretrainings side by side on a GPU take as long as one after the other.
  CUDA_VISIBLE_DEVICES="$seed" python3 -m experiments.run --seed "$seed" --minutes "$minutes" --budget minutes \
    --matching models/compact $real --clips 128 --output "$folder" $only >>"$folder/seed$seed.log" 2>&1 &
  runs+=($!)
done
wait "${runs[@]}"
tail -n 5 "$folder"/seed*.log
[[ -z "${KITTI:-}" ]] || python3 -m experiments.kitti --output "$folder" --data "$folder/kitti" --rates 4.8 1.9 --jobs "$(nproc)" \
  >"$folder/kitti.log" 2>&1 || tail -n 5 "$folder/kitti.log"
pack
