#!/usr/bin/env bash
# Runs an aoqlab command in this folder's own environment, which it makes on first use. Try: bash run.sh --help
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
export AOQLAB_ROOT=$PWD
venv=$PWD/.venv
stamp=$venv/aoqlab-stamp # written last, so that an environment without it is only half made

# What the environment depends on. Python's version comes from the interpreter inside it, which proves at the same time
# that this interpreter still runs; the folder's path counts, because a venv cannot be moved.
state() {
  printf '%s\n' "$PWD" "$("$venv/bin/python" -ISc 'import sys; print(sys.version)' 2>&1)"
  cksum <requirements.lock
  cksum <pyproject.toml
}

ready() { [[ -x $venv/bin/aoqlab && -f $stamp && $(<"$stamp") == "$(state)" ]]; }

find_python() {
  local candidate
  for candidate in python3 python3.11 python3.12 python3.13 python3.14 python; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "aoqlab needs Python 3.11 or newer, and none was found on PATH." >&2
  return 1
}

build() {
  local python
  python=$(find_python)

  # Only one run.sh builds; the others wait here and then use what it built. The lock belongs to descriptor 9 and
  # goes with the processes that hold it, so a killed build leaves none behind.
  exec 9>.venv.lock
  "$python" -c '
import fcntl, sys
try:
    fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("Another run.sh is making the environment: waiting for it.", file=sys.stderr)
    fcntl.flock(9, fcntl.LOCK_EX)
'
  if ! ready; then
    if [[ -e $venv ]]; then
      echo "The environment in .venv is incomplete, broken or out of date: making it again." >&2
    else
      echo "First use: making the environment in .venv." >&2
    fi
    rm -rf "$venv"
    "$python" -m venv "$venv" || {
      echo "Python's venv module failed; on Debian and Ubuntu: apt install python3-venv" >&2
      return 1
    }
    echo "Installing $(grep -c == requirements.lock) packages, which takes some minutes ..." >&2
    local pip=("$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-input)
    "${pip[@]}" -r requirements.lock
    "${pip[@]}" --no-deps --no-build-isolation -e .
    "$venv/bin/python" -m aoqlab.lab.shared.torchvision_repair
    state >"$stamp.new"
    mv "$stamp.new" "$stamp"
    echo "The environment is ready." >&2
  fi
  exec 9>&-
}

ready || build
exec "$venv/bin/aoqlab" "$@"
