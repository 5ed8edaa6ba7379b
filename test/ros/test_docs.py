"""docs/ros.md against the code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_tables_of_the_page_are_what_the_code_says():
    checked = subprocess.run([sys.executable, ROOT / "scripts" / "make_ros_docs.py", "--check"], cwd=ROOT, check=False)
    assert checked.returncode == 0, "docs/ros.md is old: .venv/bin/python scripts/make_ros_docs.py"


def test_every_field_of_a_message_is_described_and_used():
    sources = "\n".join(path.read_text() for path in (ROOT / "lapose_ros").glob("*.py"))
    for file in (*(ROOT / "msg").glob("*.msg"), *(ROOT / "srv").glob("*.srv")):
        described = False  # by a comment above, which may be that of several fields in a row
        for line in file.read_text().splitlines():
            described = line.startswith("#") or (described and line not in ("", "---"))
            if line.startswith("#") or line in ("", "---") or "=" in line:
                continue
            name = line.split()[1]
            assert described or name == "success", f"{file.name}: {name} is not described"
            assert name in sources or name.startswith("frames_"), f"{file.name}: {name} is not used"
