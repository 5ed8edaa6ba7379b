"""Write the tables of docs/ros.md from the code: topics, services, parameters, messages. `--check` only compares."""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path

from lapose_core.data.encodings import SUPPORTED_ENCODINGS
from lapose_core.runtime.camera import DISTORTION_MODELS
from lapose_ros.parameters import Parameters
from lapose_ros.publishers import TOPICS
from lapose_ros.services import SERVICES

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "ros.md"


def main(arguments: list[str]) -> int:
    """Exit code 1 where the page is not what the code says, with `--check`."""
    before = PAGE.read_text()
    after = filled(before)
    if "--check" in arguments:
        return int(before != after)
    PAGE.write_text(after)
    return 0


def filled(page: str) -> str:
    """The page with each table between its two comments made anew."""
    for name, make in TABLES.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        found = pattern.search(page)
        if not found:
            raise ValueError(f"{PAGE} has no {begin} ... {end}")
        page = f"{page[: found.start()]}{begin}\n{make()}\n{end}{page[found.end() :]}"
    return page


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def type_name(kind: type) -> str:
    package, category, *_ = kind.__module__.split(".")
    return f"{package}/{category}/{kind.__name__}"


def published() -> str:
    rows = [
        (f"`{topic}`", f"`{type_name(kind)}`", f"`output_qos`, depth {depth}", what)
        for topic, (kind, depth, what) in TOPICS.items()
    ]
    rows.append(
        ("`/tf`", "`tf2_msgs/msg/TFMessage`", "reliable, depth 100", "base_frame in odom_frame; see `invert_tf`")
    )
    rows.append(
        ("`/diagnostics`", "`diagnostic_msgs/msg/DiagnosticArray`", "reliable, depth 10", "four checks, once a second")
    )
    return table(("topic", "type", "QoS", "what"), rows)


def services() -> str:
    rows = [(f"`~/{name}`", f"`{type_name(kind)}`", what) for name, (kind, what) in SERVICES.items()]
    return table(("service", "type", "what"), rows)


def parameters() -> str:
    rows = []
    for field in dataclasses.fields(Parameters):
        limits, choices = field.metadata["limits"], field.metadata["choices"]
        allowed = f" {limits[0]:g} to {limits[1]:g}." if limits else f" One of {', '.join(choices)}." if choices else ""
        default = list(field.default) if isinstance(field.default, tuple) else field.default
        default = str(default).lower() if isinstance(default, bool) else repr(default).replace("'", '"')
        changeable = "yes" if field.metadata["changeable"] else ""
        rows.append((f"`{field.name}`", f"`{default}`", changeable, field.metadata["description"] + allowed))
    return table(("parameter", "default", "while running", "what"), rows)


def inputs() -> str:
    return f"Encodings: {', '.join(SUPPORTED_ENCODINGS)}. Distortion models: {', '.join(DISTORTION_MODELS)}."


def messages() -> str:
    files = sorted([*(ROOT / "msg").glob("*.msg"), *(ROOT / "srv").glob("*.srv")])
    return "\n\n".join(
        f"`lapose/{file.parent.name}/{file.stem}`:\n\n```\n{file.read_text().strip()}\n```" for file in files
    )


TABLES = {
    "published": published,
    "services": services,
    "parameters": parameters,
    "inputs": inputs,
    "messages": messages,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
