# SPDX-License-Identifier: Apache-2.0
"""Whether what will be trained may be pushed, asked before it is trained. The trainer of transformers pushes it."""

from pathlib import Path

from transformers import TrainingArguments

from crossmem_hf.hub.permissions import ready_repository
from crossmem_hf.runs.retry import with_retries


def check_push(config: TrainingArguments) -> str | None:
    """The address that a run with ``push_to_hub`` will push its adapter to, made if need be; None for other runs.

    One process of a run asks, the one that writes.

    Raises:
        CrossmemError: No token, no right to the repository, or no Hub in reach.
    """
    if not config.push_to_hub or not config.should_save:
        return None
    from huggingface_hub import HfApi

    repo_id = config.hub_model_id or Path(str(config.output_dir)).resolve().name
    if "/" not in repo_id:  # the Hub's own rule: the name alone is the user's
        user = with_retries("ask the Hub whose token this is", HfApi(library_name="crossmem_hf").whoami)["name"]
        repo_id = f"{user}/{repo_id}"
    return ready_repository(repo_id, "model", private=config.hub_private_repo)
