"""A Dask cluster on SLURM through dask-jobqueue, with CPU workers and GPU workers, and one run on it.

    pip install dask-jobqueue
    python slurm.py /scratch/scans --out /scratch/cleaned

Inputs, outputs and the Python environment are on file systems that all nodes see. Everything after the name of this
file is handed to ``restore-docs run``. Partitions and sizes are those of an imagined site: change them.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any


def make_cluster(queue: str, memory: str, gpu: bool) -> Any:
    """A SLURMCluster whose jobs are one worker each."""
    from dask_jobqueue import SLURMCluster

    words = ["--nthreads", "1", "--preload", "workflows.workers.setup"] + (["--resources", "GPU=1"] if gpu else [])
    return SLURMCluster(
        queue=queue,
        cores=1,
        processes=1,
        memory=memory,
        walltime="12:00:00",
        job_extra_directives=["--gres=gpu:1"] if gpu else [],
        worker_extra_args=words,
        local_directory="/tmp",
        scheduler_options={"dashboard_address": ":0"},
    )


def main() -> int:
    """Start the cluster, run, and give it back."""
    cpus, gpus = make_cluster("cpu", "4GB", gpu=False), make_cluster("gpu", "16GB", gpu=True)
    # the GPU jobs join the scheduler of the CPU jobs, under names of their own
    script = gpus.job_script().replace(gpus.scheduler_address, cpus.scheduler_address)
    script = script.replace("--name dummy-name", "--name gpu-$SLURM_JOB_ID")
    cpus.scale(32)
    for _ in range(2):
        subprocess.run(["sbatch"], input=script, text=True, check=True)
    try:
        return subprocess.run(
            ["restore-docs", *sys.argv[1:], "--scheduler", cpus.scheduler_address, "--json"], check=False
        ).returncode
    finally:
        cpus.close()
        gpus.close()


if __name__ == "__main__":
    sys.exit(main())
