"""LA-Pose, one part a file. Only `config` can be imported without torch."""
