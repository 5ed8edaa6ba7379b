#!/usr/bin/env bash
# The node over DDS on a machine with a GPU that has torch, but neither ROS nor a network:
#
#   scripts/node_on_gpu.sh pack     # here, with a .venv (setup_environment.sh) of the Python that the other machine has
#   scripts/node_on_gpu.sh smoke    # there: does everything load, does DDS carry images? half a minute
#   scripts/node_on_gpu.sh run      # there: latency, the node with its GPU memory by /diagnostics; five minutes
#
# FOLDER (.scratch/node_on_gpu) holds what is packed; git ignores it, so that it has to be carried by name. Where that is
# too much at once, `unpack` takes in what has come: one archive after the other. Figures and logs are left in $OUT
# (build/node_on_gpu).
set -euo pipefail
cd "$(dirname "$0")/.."
folder="${FOLDER:-.scratch/node_on_gpu}"
out="${OUT:-build/node_on_gpu}"
prefix=/tmp/lapose_ros  # libraries are found by variables, not by where they were built

# Modules beside rclpy and the messages: what those import, and what reads bags. NumPy, OpenCV and SciPy are there.
modules=(ament_index_python lapose rosidl_parser rpyutils yaml _yaml lark rosbags ruamel apsw backports lz4)

pack() {
  local site listed
  site="$(cd .venv && echo lib/python3*/site-packages)"
  listed="$(cd ".venv/$site" && ls -d -- *-py3*.egg-info | sed -E 's/-[0-9].*//')"
  rm -rf "$folder" && mkdir -p "$folder/pictures"
  (cd .venv && find "$site"/{numba,llvmlite} -type f \( -name "*.py" -o -name "*.so" \) ! -path "*/tests/*" | sort |
    tar -cf - --no-recursion -T -) | xz -T2 >"$folder/numba.tar.xz"
  # Of what also builds packages only what runs nodes: libraries, Python, and the index that rclpy looks into. Wheels
  # have no symbolic links; of Fast DDS's three copies the one whose name the others are linked with is enough.
  (
    cd .venv
    {
      find lib -maxdepth 1 -name "*.so*" ! -name "libfastrtps.so" ! -name "libfastrtps.so.*.*.*"
      find "$site"/ros_*.libs share/ament_index -type f
      for module in $listed "${modules[@]}"; do
        find "$site/$module" -type f \( -name "*.py" -o -name "*.so" -o -name "*.lark" \)
      done
    } | sort -u | tar -cf - --no-recursion -T -
  ) | xz -T2 >"$folder/ros.tar.xz"
  .venv/bin/python - "$folder/pictures" <<'PYTHON'
"""The benchmark's pictures without the rest of the drive."""
import sys
from itertools import islice
from pathlib import Path

import cv2

from benchmarks.node import DRIVE, PICTURES
from lapose_core.data.open import open_source

for frame in islice(iter(open_source(DRIVE)), PICTURES):
    picture_HWC = cv2.cvtColor(frame.image_HWC, cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(Path(sys.argv[1]) / f"{frame.stamp_ns}.jpg"), picture_HWC, [cv2.IMWRITE_JPEG_QUALITY, 92])
PYTHON
  du -sh "$folder"/*
}

unpack() {
  mkdir -p "$prefix" "$out"
  for archive in "$folder"/*.tar.xz; do tar -xJf "$archive" -C "$prefix"; done
  local site=("$prefix"/lib/python3*/site-packages) own
  own="$(python3 -c 'import sys; print("python%d.%d" % sys.version_info[:2])')"
  if [[ ! -d "$prefix/lib/$own" ]]; then
    echo "packed for ${site[0]#"$prefix"/lib/}, but python3 here is $own:" \
      "pack again from a .venv of that (PYTHON=$own scripts/setup_environment.sh)" >&2
    exit 2
  fi
  LD_LIBRARY_PATH="$prefix/lib$(printf ':%s' "${site[0]}"/ros_*.libs)${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  export LD_LIBRARY_PATH PYTHONPATH="$PWD:${site[0]}" PYTHONUNBUFFERED=1 AMENT_PREFIX_PATH="$prefix"
  # There may be no interface but the loopback; and nobody else's nodes are wanted.
  export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST ROS_DOMAIN_ID=77 ROS_LOG_DIR="$out/ros"
}

# limited SECONDS NAME COMMAND...: its output is a log too; what takes too long is ended, and the rest goes on.
limited() {
  local seconds="$1" name="$2"
  shift 2
  echo "== $name"
  timeout --signal=INT --kill-after=10 "$seconds" "$@" 2>&1 | tee "$out/$name.log" || echo "== $name failed or took over $seconds s"
}

smoke() {
  unpack
  python3 --version && ldd --version | sed -n 1p
  nvidia-smi --query-gpu=name,driver_version --format=csv,noheader || true
  python3 - <<'PYTHON'
import importlib

for name in ("numpy", "scipy", "cv2", "numba", "onnxruntime", "torch", "safetensors", "pynvml", "rclpy", "lapose.msg", "rosbags"):
    try:
        print(name, getattr(importlib.import_module(name), "__version__", "there"))
    except ImportError as error:
        print(name, "MISSING:", error)
PYTHON
  limited 90 smoke python3 -m benchmarks.node --source "$folder/pictures" --sizes 640x480 --rates 10 --seconds 3
}

run() {
  unpack
  limited 150 latency python3 -m benchmarks.latency --presets compact --seconds 3 --json "$out/latency.json"
  limited 330 node python3 -m benchmarks.node --source "$folder/pictures" --seconds 8 --json "$out/node.json"
}

case "${1:-}" in
  pack | unpack | smoke | run) "$1" ;;
  *) sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
