# SPDX-License-Identifier: Apache-2.0
"""NPO under FSDP2 comes to the losses of one whole model. On CPUs, where accelerate has to be talked into it."""

import json
import os
import subprocess
import sys

import pytest
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils.launch import prepare_multi_gpu_env

SMALL = ("--quick", "--threads", "1", "--device", "cpu", "--batch_size", "2", "--num_rows", "4")
ON_CPUS = """
import runpy, sys
import accelerate.state as known

right = known.AcceleratorState.__init__

def with_cpus(self, *arguments, **options):
    right(self, *arguments, **options)
    if self.distributed_type == known.DistributedType.MULTI_CPU:
        self.distributed_type = known.PartialState._shared_state["distributed_type"] = known.DistributedType.FSDP
        self.fsdp_plugin = options.get("fsdp_plugin")

known.AcceleratorState.__init__ = with_cpus
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def fsdp_environment(root):
    """What `accelerate launch` sets for recipes/accelerate/fsdp2.yaml."""
    words = ["--config_file", str(root / "recipes/accelerate/fsdp2.yaml"), "unused.py"]
    made = prepare_multi_gpu_env(_validate_launch_command(launch_command_parser().parse_args(words))[0])
    fsdp = {name: value for name, value in made.items() if name.startswith(("FSDP", "ACCELERATE"))}
    return fsdp | {"ACCELERATE_USE_CPU": "true"}


@pytest.mark.slow
def test_fsdp2_comes_to_the_losses_of_a_whole_model(root, tmp_path):
    script = tmp_path / "on_cpus.py"
    script.write_text(ON_CPUS)
    benchmark = str(root / "benchmarks" / "unlearn_step.py")
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "1", str(script)]
    found = {}
    for name, words, more in (("whole", [], {}), ("sharded", launcher, fsdp_environment(root))):
        output = tmp_path / f"{name}.json"
        environment = os.environ | {"PYTHONPATH": str(root)} | more
        command = [sys.executable, *words, benchmark, "--sharded", "--output", str(output), *SMALL]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        found[name] = json.loads(output.read_text())
    assert (found["whole"]["distributed_type"], found["sharded"]["distributed_type"]) == ("NO", "FSDP")
    assert found["sharded"]["sharded"]
    assert found["sharded"]["losses"] == pytest.approx(found["whole"]["losses"], rel=1e-5)
