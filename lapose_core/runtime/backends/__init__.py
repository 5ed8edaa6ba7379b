"""What runs the model: one interface, one module an engine."""
