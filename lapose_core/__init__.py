"""Ego-motion from one camera (LA-Pose): model, training, runtime and evaluation. Knows no ROS."""

__version__ = "0.1.0"
