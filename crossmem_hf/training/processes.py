# SPDX-License-Identifier: Apache-2.0
"""Whether as many processes run as were asked for. It knows launchers' environments, and starts nothing."""

import os
from collections.abc import Mapping

from crossmem_hf.errors import CrossmemError

SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")  # as accelerate reads them
WITH_TORCHRUN = "Start it with: torchrun --nproc_per_node N recipes/..."


def check_processes(world_size: int, environment: Mapping[str, str] | None = None) -> None:
    """Nothing, if this run has as many processes as its launcher was asked for.

    ``accelerate launch`` with several processes and no several GPUs (``--cpu --num_processes 2``, or a YAML with
    ``use_cpu``) starts one, without a word. It does leave the address at which the others would have met, which is
    how it is seen here; an ``accelerate`` that is not asked for more than one leaves none.

    Raises:
        CrossmemError: A single process was started where several were asked for, or several were that do not know
            of each other.
    """
    environment = os.environ if environment is None else environment
    started = max([int(environment[name]) for name in SIZES if environment.get(name, "").isdecimal()], default=0)
    if started > 1 and world_size == 1:
        raise CrossmemError(
            f"{started} processes were started, and each believes it is alone; each would train by itself.",
            "Make the config before anything else of accelerate, with use_cpu where there is no GPU.",
        )
    by_accelerate = "ACCELERATE_MIXED_PRECISION" in environment
    if by_accelerate and not started and world_size == 1 and "MASTER_ADDR" in environment:
        raise CrossmemError(
            "accelerate launch was asked for several processes and started one, as it does without several GPUs.",
            f"{WITH_TORCHRUN}. (Unset MASTER_ADDR if one process is meant and something else has set it.)",
        )
