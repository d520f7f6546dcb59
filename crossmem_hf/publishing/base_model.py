# SPDX-License-Identifier: Apache-2.0
"""The embedded model as a model repository: shared adapters name it as their base. It does not know them."""

from crossmem_hf.models.loading import EMBEDDED_NAME
from crossmem_hf.publishing.materialize import model_files
from crossmem_hf.publishing.repositories import Contents, Place, Published, publish, ready


def publish_base_model(
    repo_id: str = EMBEDDED_NAME, *, private: bool | None = None, create_pr: bool = False
) -> Published:
    """Push the embedded model with its processor and card; an equal one is left alone.

    Args:
        private: True asks for a private repository; None takes the account's default.
        create_pr: Propose it in a pull request.

    Raises:
        CrossmemError: No right to write, the repository holds something else, or the Hub refuses or fails.
    """
    files: dict[str, Contents] = {path.name: path for _, path in model_files()}
    place = Place(repo_id=repo_id, repo_type="model", marker="quality.json", private=private, create_pr=create_pr)
    return publish(place, ready(place), files, "Publish the base model")
