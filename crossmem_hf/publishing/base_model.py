# SPDX-License-Identifier: Apache-2.0
"""An embedded model as a model repository: shared adapters name it as their base. It does not know them."""

from crossmem_hf.errors import unknown
from crossmem_hf.models.embedded import BASES, DEFAULT_BASE, hub_name
from crossmem_hf.publishing.materialize import model_files
from crossmem_hf.publishing.repositories import Contents, Place, Published, publish, ready


def publish_base_model(
    base: str = DEFAULT_BASE, repo_id: str | None = None, *, private: bool | None = None, create_pr: bool = False
) -> Published:
    """Push a base with its processor and card; an equal one is left alone.

    Args:
        base: One of `embedded.BASES`.
        repo_id: None is the name by which shared adapters know it, see `embedded.hub_name`.
        private: True asks for a private repository; None takes the account's default.
        create_pr: Propose it in a pull request.

    Raises:
        CrossmemError: No such base, no right to write, the repository holds something else, or the Hub refuses or
            fails.
    """
    if base not in BASES:
        raise unknown("base model", [base], BASES)
    files: dict[str, Contents] = {path.name: path for _, path in model_files(base)}
    place = Place(
        repo_id=repo_id or hub_name(base),
        repo_type="model",
        marker="quality.json",
        private=private,
        create_pr=create_pr,
    )
    return publish(place, ready(place), files, f"Publish {base}")
