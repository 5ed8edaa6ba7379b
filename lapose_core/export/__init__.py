"""From trained weights to what runs: ONNX today, TensorRT engines next."""
