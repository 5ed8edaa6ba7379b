"""ROS 2 around `lapose_core`: the node, and what turns messages into arrays and back."""

import os

# OpenBLAS shares even products of small matrices out among all cores: that costs more than it brings, and takes them
# from what runs the model. It looks when NumPy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
