"""What a vehicle's monitor hears on /diagnostics."""

from __future__ import annotations

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from .drive import STEP_NS, picture, raw_message, wait_until


def newest(heard: list[DiagnosticArray]) -> dict[str, DiagnosticStatus]:
    return {status.name: status for status in heard[-1].status} if heard else {}


def level(heard: list, name: str) -> int | None:
    status = newest(heard).get(f"lapose: {name}")
    return None if status is None else status.level[0]


def values(heard: list, name: str) -> dict[str, str]:
    return {item.key: item.value for item in newest(heard)[f"lapose: {name}"].values}


def test_diagnostics_follow_a_drive_from_nothing_to_a_camera_that_stops(start_drive):
    drive = start_drive(silence_s=1.0)
    heard = drive.listen(DiagnosticArray, "/diagnostics", 10)
    wait_until(lambda: level(heard, "odometry") == 2)  # waiting for images
    drive.drive(5)
    wait_until(lambda: bool(heard) and values(heard, "odometry")["processed"] == "5")
    assert set(newest(heard)) == {f"lapose: {name}" for name in ("images", "odometry", "model", "camera")}
    assert {status.hardware_id for status in heard[-1].status} == {"/camera"}
    assert float(values(heard, "odometry")["latency, mean (ms)"]) > 0
    assert values(heard, "odometry")["dropped"] == "0"
    assert values(heard, "odometry")["tracking"] in ("tracking", "uncertain")
    assert values(heard, "odometry")["window"] == "5 of 16"
    assert float(values(heard, "images")["rate (Hz)"]) > 0
    assert (values(heard, "model")["engine"], values(heard, "model")["GPU memory (MiB)"]) == (
        "onnxruntime",
        "none used",
    )
    assert len(values(heard, "model")["version"]) == 12
    assert newest(heard)["lapose: camera"].message == "no calibration, none needed"
    wait_until(lambda: level(heard, "images") == 2)
    assert "no image on /camera" in newest(heard)["lapose: images"].message


def test_bad_images_are_a_warning_and_then_over(start_drive):
    drive = start_drive()
    heard = drive.listen(DiagnosticArray, "/diagnostics", 10)
    drive.drive(2)
    broken = raw_message(picture(2), 1_000_000_000 + 2 * STEP_NS)
    broken.data = broken.data[:100]
    drive.show(broken)
    wait_until(lambda: any("1 undecodable" in status.message for array in heard for status in array.status))
    wait_until(lambda: level(heard, "images") == 0)
    assert values(heard, "images")["undecodable"] == "1"


def test_covered_camera_is_a_warning(start_drive):
    drive = start_drive()
    heard = drive.listen(DiagnosticArray, "/diagnostics", 10)
    for index in range(3):
        drive.show_and_wait(raw_message(np.zeros_like(picture(0)), 1_000_000_000 + index * STEP_NS))
    wait_until(lambda: level(heard, "odometry") == 1)
    assert "the model doubts its newest motion" in newest(heard)["lapose: odometry"].message
    assert drive.odometry[-1].twist.covariance[0] >= 15.0**2
