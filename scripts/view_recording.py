"""Show a recording of `lapose run --output-bag` in Rerun (`pip install rerun-sdk`), for where there is no RViz.

python scripts/view_recording.py out.mcap [--save view.rrd]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import rerun as rr
import rerun.blueprint as rrb
from rosbags.highlevel import AnyReader
from scipy.spatial.transform import Rotation

from lapose_core.data.bag_messages import stamp_ns
from lapose_core.runtime.colours import position_deviation, uncertainty_colours
from lapose_core.runtime.output_bag import ODOMETRY_TOPIC

_TRUTH = "/ground_truth/odometry"
_DEVIATIONS = 1.0  # the ellipsoid's half axes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--save", type=Path, help="write an .rrd file and do not open the viewer")
    options = parser.parse_args()
    rr.init("lapose", spawn=options.save is None)
    if options.save:
        rr.save(options.save)
    rr.send_blueprint(layout())
    with AnyReader([options.recording]) as reader:
        show(reader)


def layout() -> rrb.Blueprint:
    """The way from above beside the camera and the speed, at the end of the drive."""
    eye = rrb.EyeControls3D(position=(60.0, -170.0, 150.0), look_target=(115.0, -40.0, 0.0))
    return rrb.Blueprint(
        rrb.Horizontal(
            rrb.Spatial3DView(origin="/odom", name="odom", eye_controls=eye),
            rrb.Vertical(
                rrb.Spatial2DView(origin="/camera", name="camera"),
                rrb.TimeSeriesView(
                    origin="/speed", name="speed (m/s)", plot_legend=rrb.PlotLegend(corner=rrb.Corner2D.LeftTop)
                ),
            ),
            column_shares=[3, 2],
        ),
        rrb.BlueprintPanel(state="hidden"),
        rrb.SelectionPanel(state="hidden"),
        rrb.TimePanel(state="collapsed", timeline="drive", play_state="following"),
    )


def show(reader: AnyReader) -> None:
    """Log images, odometry with its covariance, and the way so far, coloured by uncertainty; truth in grey."""
    rr.log("odom", rr.ViewCoordinates.FLU, static=True)
    truth = [message for _, message in messages(reader, _TRUTH)]
    if truth:
        poses = np.stack([pose(message) for message in truth])
        way = (np.linalg.inv(poses[0]) @ poses)[:, :3, 3]
        rr.log("odom/truth", rr.LineStrips3D([way], colors=[150, 150, 150], radii=0.25), static=True)
    camera_topics = [c.topic for c in reader.connections if c.msgtype == "sensor_msgs/msg/CompressedImage"]
    for _, image in messages(reader, *camera_topics):
        rr.set_time("drive", timestamp=np.datetime64(stamp_ns(image), "ns"))
        rr.log("camera", rr.EncodedImage(contents=image.data.tobytes(), media_type="image/jpeg"))
    for name, colour in {"estimated": [255, 170, 60], "low": [110, 80, 50], "high": [110, 80, 50]}.items():
        rr.log(f"speed/{name}", rr.SeriesLines(colors=colour, names=name), static=True)
    rr.log("speed/true", rr.SeriesLines(colors=[150, 150, 150], names="true"), static=True)
    positions, covariances = [], []
    for _, odometry in messages(reader, ODOMETRY_TOPIC):
        rr.set_time("drive", timestamp=np.datetime64(stamp_ns(odometry), "ns"))
        at, covariance = pose(odometry), odometry.pose.covariance.reshape(6, 6)
        positions.append(at[:3, 3])
        covariances.append(covariance)
        colours = uncertainty_colours(position_deviation(np.stack(covariances)))
        rr.log("odom/trajectory", rr.Points3D(np.stack(positions), colors=colours, radii=0.8))
        values, axes = np.linalg.eigh(covariance[:3, :3])
        axes = axes * np.linalg.det(axes)
        rr.log("odom/base_link", rr.Transform3D(translation=at[:3, 3], mat3x3=at[:3, :3]), rr.TransformAxes3D(8.0))
        rr.log(
            "odom/covariance",
            rr.Ellipsoids3D(
                centers=[at[:3, 3]],
                half_sizes=[_DEVIATIONS * np.sqrt(values)],
                quaternions=[rr.Quaternion(xyzw=Rotation.from_matrix(axes).as_quat())],
                colors=[200, 80, 200],
            ),
        )
        speed, deviation = odometry.twist.twist.linear.x, np.sqrt(odometry.twist.covariance[0])
        if deviation < 50:  # the first has none
            rr.log("speed/estimated", rr.Scalars([speed]))
            rr.log("speed/low", rr.Scalars([speed - 2 * deviation]))
            rr.log("speed/high", rr.Scalars([speed + 2 * deviation]))
    for message in truth:
        rr.set_time("drive", timestamp=np.datetime64(stamp_ns(message), "ns"))
        rr.log("speed/true", rr.Scalars([message.twist.twist.linear.x]))


def messages(reader: AnyReader, *topics: str) -> list[tuple[int, Any]]:
    connections = [connection for connection in reader.connections if connection.topic in topics]
    if not connections:  # rosbags takes an empty list for all topics
        return []
    return [(recorded, reader.deserialize(data, c.msgtype)) for c, recorded, data in reader.messages(connections)]


def pose(odometry: Any) -> np.ndarray:
    at, turn = odometry.pose.pose.position, odometry.pose.pose.orientation
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_quat([turn.x, turn.y, turn.z, turn.w]).as_matrix()
    matrix[:3, 3] = at.x, at.y, at.z
    return matrix


if __name__ == "__main__":
    main()
