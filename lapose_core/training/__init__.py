"""One module a stage (`vqvae`, `pretrain`, `pose`), on one engine (`engine`, `stage`, `checkpoint`)."""
