# SPDX-License-Identifier: Apache-2.0
"""A process that pushes folders for as long as it is asked to, so that huggingface_hub is imported once a test file.

Each line of its input is a JSON object: what to call and with what. Each line of its output is what came of it.
"""

import json
import os
import sys
import time
from pathlib import Path

HURRIED = 0.005
"""Waits between attempts last this part of what they would; that they are made is what is tested."""


def main() -> None:
    from crossmem_hf.errors import CrossmemError
    from crossmem_hf.hub.permissions import ready_repository
    from crossmem_hf.hub.push import push_folder

    slept, sleep = [], time.sleep
    time.sleep = lambda seconds: (slept.append(seconds), sleep(seconds * HURRIED))[1]
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        requested = json.loads(line)
        slept.clear()
        os.environ["HF_TOKEN"] = requested.pop("token")
        try:
            if requested.pop("call") == "ready":
                came = {"address": ready_repository(**requested)}
            else:
                pushed = push_folder(Path(requested.pop("folder")), message="Push", **requested)
                came = {"commit": pushed.commit, "changed": pushed.num_changed, "pull": pushed.pull_request}
        except CrossmemError as error:
            came = {"error": str(error)}
        print(json.dumps(came | {"waited": sum(slept)}), flush=True)


if __name__ == "__main__":
    main()
