# SPDX-License-Identifier: Apache-2.0
"""Whether the Hub can be asked at all, before a library that waits for it is. It does not know what is loaded."""

from pathlib import Path

from crossmem_hf.errors import CrossmemError
from crossmem_hf.hub.names import check_can_be_found, without_the_hub
from crossmem_hf.runs.retry import has_no_network


def check_within_reach(name: str, file: str, what: str) -> None:
    """Nothing, unless there is no network (or offline mode is on) and nothing of this name is on this disk.

    Loaders ask the Hub six times and more, for half a minute, before they say so.

    Args:
        name: Path or name of a model repository.
        file: Which every such repository has, and which is in the Hub's cache if the repository is.
        what: What is looked for, as an error names it, e.g. ``"model 'you/nope'"``.

    Raises:
        CrossmemError: Nobody can find it.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, is_offline_mode, try_to_load_from_cache

    check_can_be_found(name, what)
    if Path(name).exists() or isinstance(try_to_load_from_cache(name, file), str):
        return
    try:
        get_hf_file_metadata(hf_hub_url(name, file))
    except Exception as error:
        if has_no_network(error):
            why = "offline mode is on" if is_offline_mode() else " ".join(str(error).split())
            raise CrossmemError(
                f"There is no {what} here, and the Hub cannot be reached ({why}).", without_the_hub(name)
            ) from error
        # whatever else is wrong, the loader says it better
