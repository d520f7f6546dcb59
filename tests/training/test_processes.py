# SPDX-License-Identifier: Apache-2.0
import json

import pytest
from accelerate.commands.launch import launch_command, launch_command_parser

from crossmem_hf.errors import CrossmemError
from crossmem_hf.training.processes import check_processes

ACCELERATE = {"ACCELERATE_MIXED_PRECISION": "no"}


@pytest.mark.parametrize(
    ("world_size", "environment"),
    [
        (1, {}),
        (1, {"MASTER_ADDR": "node7"}),  # a scheduler's, and plain python
        (1, ACCELERATE),
        (1, {"WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1"}),  # torchrun --nproc_per_node 1
        (2, {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}),
        (4, ACCELERATE | {"WORLD_SIZE": "4", "MASTER_ADDR": "127.0.0.1"}),
    ],
)
def test_as_many_as_were_asked_for(world_size, environment):
    check_processes(world_size, environment)


def test_processes_that_do_not_know_of_each_other():
    with pytest.raises(CrossmemError, match="2 processes were started, and each believes it is alone"):
        check_processes(1, {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"})


@pytest.mark.parametrize(
    ("options", "requested"),
    [
        (["--cpu", "--num_processes", "2"], True),
        (["--config_file", "recipes/accelerate/cpu.yaml", "--num_processes", "2"], True),
        (["--config_file", "recipes/accelerate/ddp.yaml", "--cpu"], True),
        (["--config_file", "recipes/accelerate/cpu.yaml"], False),
        (["--cpu"], False),
    ],
)
def test_what_accelerate_launch_leaves_on_a_machine_without_gpus(
    options, requested, tmp_path, root, monkeypatch, capfd
):
    """Our check reads accelerate's own traces; a release that leaves others must fail here."""
    script = tmp_path / "show.py"
    script.write_text("import json, os; print('ENV', json.dumps(dict(os.environ)))")
    monkeypatch.chdir(root)
    for name in ("MASTER_ADDR", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    launch_command(launch_command_parser().parse_args([*options, str(script)]))
    left = json.loads(capfd.readouterr().out.split("ENV ")[1])
    if not requested:
        check_processes(1, left)
        return
    with pytest.raises(CrossmemError, match="asked for several processes and started one"):
        check_processes(1, left)
