"""One module a stage: pose post-training today; the VQ-VAE and pretraining have their place here."""
