"""The same command on several machines, which here are processes that know nothing of each other but an address."""

from __future__ import annotations

import json
from pathlib import Path

from .conftest import free_port


def torchrun(node: int, port: int) -> dict:
    return {
        "launcher": [
            "torch.distributed.run", "--nnodes=2", f"--node-rank={node}", "--nproc-per-node=1",
            "--master-addr=127.0.0.1", f"--master-port={port}",
        ]
    }  # fmt: skip


def slurm(node: int, port: int) -> dict:
    """What srun tells a task of a job on two machines."""
    told = {"JOB_ID": 7, "JOB_NAME": "lapose", "NTASKS": 2, "NTASKS_PER_NODE": 1, "NNODES": 2, "PROCID": node}
    told |= {"LOCALID": 0, "NODEID": node, "NODELIST": "127.0.0.1", "JOB_NODELIST": "127.0.0.1"}
    variables = {f"SLURM_{name}": str(value) for name, value in told.items()}
    return {"variables": variables | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}}


def test_two_machines_learn_the_same_under_torchrun_and_under_slurm(
    tmp_path: Path, write_config, start_training
) -> None:
    config = write_config("tiny", steps=4, log_every=2, validate_every=4, nodes=2, devices=1, device="cpu")
    losses = {}
    for launched in (torchrun, slurm):
        run, port = tmp_path / launched.__name__, free_port()
        nodes = [
            start_training("pose", "--config", config, "--output", run, **launched(node, port)) for node in range(2)
        ]
        for node in nodes:
            said, _ = node.communicate(timeout=180)
            assert node.returncode == 0, said
        (leg,) = json.loads((run / "progress.json").read_text())["runs"]
        assert leg["processes"] == 2
        lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
        losses[launched.__name__] = [line["rotation"] for line in lines if line["kind"] == "train"]
    assert len(losses["slurm"]) == 2
    assert losses["slurm"] == losses["torchrun"]
