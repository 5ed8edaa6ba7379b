"""ROS 2 around `lapose_core`: the node, and what turns messages into arrays and back."""
