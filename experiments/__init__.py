"""The paper's small experiments at our scale: `run` trains, `kitti` evaluates zero-shot, `plot` draws. See docs."""
