# syntax=docker/dockerfile:1
# The node on a machine with an NVIDIA GPU: docker build -t lapose . && docker run --rm --gpus all --net host --ipc host lapose
# Arguments after the image's name go to the launch file: ... lapose image_topic:=/camera/image_raw
ARG BASE=ros:jazzy-ros-base
FROM ${BASE}

ENV PIP_BREAK_SYSTEM_PACKAGES=1 PIP_NO_CACHE_DIR=1 DEBIAN_FRONTEND=noninteractive
# The driver's libraries come from the host through the NVIDIA container toolkit.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility

RUN apt-get update && apt-get install -y --no-install-recommends python3-pip && rm -rf /var/lib/apt/lists/*
# torch brings CUDA with it; safetensors holds the weights; nvidia-ml-py tells the memory to /diagnostics. In a folder of
# their own: torch wants a newer setuptools than Ubuntu's, which pip cannot replace and colcon has to go on using.
RUN pip install --target /opt/torch torch safetensors nvidia-ml-py

WORKDIR /workspace
COPY package.xml src/lapose/package.xml
# RViz and the tests' needs stay outside.
RUN apt-get update && rosdep update --rosdistro "$ROS_DISTRO" && \
    rosdep install --from-paths src --ignore-src -y --dependency-types build --dependency-types buildtool \
      --dependency-types exec --skip-keys "rviz2" && rm -rf /var/lib/apt/lists/*

# rosdep has no key that Ubuntu 24.04 knows a package of numba for. After it: pip then keeps the system's NumPy.
RUN pip install "numba>=0.60"

COPY . src/lapose
RUN . "/opt/ros/$ROS_DISTRO/setup.sh" && colcon build --packages-select lapose --cmake-args -DBUILD_TESTING=OFF
# Compile what a container would otherwise compile at each start.
RUN . install/setup.sh && \
    python3 -c "from lapose_core.models import find_model as f; from lapose_core.runtime.backends.open import open_backend as o; o(f(), 'onnxruntime')"

COPY <<'SCRIPT' /entrypoint.sh
#!/bin/sh
. "/opt/ros/$ROS_DISTRO/setup.sh"
. /workspace/install/setup.sh
export PYTHONPATH="$PYTHONPATH:/opt/torch"
exec ros2 launch lapose lapose.launch.py "$@"
SCRIPT
RUN chmod +x /entrypoint.sh
ENTRYPOINT ["/entrypoint.sh"]
CMD ["backend:=torch"]
