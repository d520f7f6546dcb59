# SPDX-License-Identifier: Apache-2.0
"""Reference log-probabilities of fixed rows: worked out once, shared between processes, kept on disk for later runs.

It knows what makes two references the same, and which file to believe. It does not know what the numbers are for.
"""

import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import xxhash
from peft import PeftModel
from torch import Tensor

from crossmem_hf.errors import CrossmemError
from crossmem_hf.logprobs import answer_scores
from crossmem_hf.models.modes import in_eval_mode
from crossmem_hf.runs.distributed import in_shards, joined_state, log_fingerprint, together, work_units
from crossmem_hf.runs.results_log import ResultsLog
from crossmem_hf.runs.sources import code_fingerprint, library_versions
from crossmem_hf.storage import fingerprint
from crossmem_hf.training.collate import EncodedRows, merge_batches
from crossmem_hf.training.reference import as_reference, is_of, reference_adapter

logger = logging.getLogger(__name__)

UNIT_ROWS = 16  # worked out before they are written; what a killed run loses at most, per process
_SAYS_NOTHING = {"_name_or_path", "name_or_path", "base_model_name_or_path", "revision", "_commit_hash"} | {
    "inference_mode",  # of an adapter: whether it trains
    "transformers_version",
    "use_cache",  # of a model: trainers switch it, and nothing is generated here
}


def kept_logprobs(
    model: Any,
    rows: EncodedRows,
    *,
    folder: Path | None,
    batch_size: int,
    fused: bool = False,
    label: str = "reference log-probabilities",
) -> Tensor:
    """Summed log-probability of each row's answer under the reference, from disk if it was worked out before.

    Reused only if everything that the numbers depend on is the same by content: weights, adapter, encoded rows, dtype,
    device, precision, configuration, libraries and this code. No path or name matters. Files that are torn, altered
    or of something else are never used; the numbers are worked out anew. All processes of a run call it together and
    share the work; killed, it goes on from what is on the disk.

    Args:
        model: A whole model on one device: a `PeftModel` (see `as_reference`), or one that has not been trained yet.
        folder: Where to keep them; None is ``crossmem/reference`` in Hugging Face's home. If it cannot be written,
            they are kept in memory alone, with a warning.
        batch_size: Rows a forward pass, of like length; it moves results by rounding alone.
        fused: As for `answer_scores`.
        label: What the progress bar says.

    Returns:
        (len(rows),) float64 on the CPU, in nats, at most 0 (up to rounding).

    Raises:
        CrossmemError: The reference gives a row NaN or an infinity; the row is named.
    """
    if folder is None:
        from huggingface_hub import constants

        folder = Path(constants.HF_HOME) / "crossmem" / "reference"
    main = joined_state().is_main_process
    made_from, order = together(lambda: _plan(model, rows, fused) if main else ("", []))[0]
    light = [{"images": [], "row": number} for number in order]
    home = together(lambda: _believable(folder / made_from, made_from, order) if main else None)[0]

    def work(part: list[Mapping[str, Any]]) -> list[list[Any]]:
        numbers = [int(row["row"]) for row in part]
        return [
            _signed(made_from, *pair)
            for pair in zip(numbers, _sums(model, rows, numbers, batch_size, fused), strict=True)
        ]

    known: dict[str, Any] = {"fingerprint": made_from, "unit_rows": UNIT_ROWS, "label": label}
    try:
        results = in_shards(light, work, results_log=home, **known)
    except Exception as error:
        unwritten = isinstance(error, CrossmemError) and isinstance(error.__cause__, OSError)
        if home is None or not any(together(lambda: unwritten)):
            raise
        logger.warning("%s cannot be written (%s); the %s are kept in memory alone.", home, error.__cause__, label)
        results = in_shards(light, work, results_log=None, **known)
    sums = torch.empty(len(rows), dtype=torch.float64)
    for number, value, _ in results:
        sums[number] = value
    return sums


def _sums(model: Any, rows: EncodedRows, numbers: list[int], batch_size: int, fused: bool) -> list[float]:
    """The reference's log-probabilities of these rows, batch by batch."""
    sums: list[float] = []
    with _the_reference(model):
        for start in range(0, len(numbers), batch_size):
            part = [rows[number] for number in numbers[start : start + batch_size]]
            batch = merge_batches(part, pad_token_id=rows.encoder.pad_token_id)
            on_device = {name: tensor.to(model.device) for name, tensor in batch.items()}
            sums += answer_scores(model, on_device, fused=fused).sums_B.tolist()
    for number, value in zip(numbers, sums, strict=True):
        if not math.isfinite(value):
            persona = rows.dataset[number].get("persona_id")
            raise CrossmemError(
                f"The model before unlearning gives the answer of row {number} of the {rows.name} set (persona "
                f"{persona!r}) the log-probability {value!r}; expected a finite number.",
                "Look at this row and at the model's weights and dtype; float16 overflows where bfloat16 does not.",
            )
    return sums


@contextmanager
def _the_reference(model: Any) -> Iterator[None]:
    """An adapted model without what trains; a model that trains as a whole is its own reference until it does."""
    if isinstance(model, PeftModel):
        with as_reference(model):
            yield
    else:
        with in_eval_mode(model), torch.no_grad():
            yield


def _plan(model: Any, rows: EncodedRows, fused: bool) -> tuple[str, list[int]]:
    """The fingerprint of all that the numbers depend on, and the rows from short to long."""
    digest, lengths = xxhash.xxh3_128(), []
    for number in range(len(rows)):
        batch = rows[number]
        digest.update(b"row %d" % number)
        for name in sorted(batch):
            _add(digest, name, batch[name])
        lengths.append(batch["input_ids"].shape[1])
    made_from = fingerprint([_described(model, fused), digest.hexdigest()])
    return made_from, sorted(range(len(rows)), key=lambda number: (lengths[number], number))


def _described(model: Any, fused: bool) -> dict[str, Any]:
    """What the reference is, apart from the rows."""
    base: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    used = reference_adapter(model) if isinstance(model, PeftModel) else None
    parts = [base.config, *(getattr(base.config, name, None) for name in base.config.sub_configs)]
    device = model.device.type
    return {
        "weights": weights_digest(model),
        "adapter": None if used is None else _plain(model.peft_config[used].to_dict()),
        "model": f"{type(base).__module__}.{type(base).__qualname__}",
        "config": _plain(base.config.to_dict()),
        "attention": [getattr(part, "_attn_implementation", None) for part in parts],
        "head": "fused" if fused else "plain",
        "device": device,
        "autocast": str(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else None,
        "versions": library_versions(),
        "code": code_fingerprint(kept_logprobs),
    }


def weights_digest(model: Any) -> str:
    """128 bits of names, dtypes, shapes and bytes of all weights that the reference uses, in hexadecimal.

    Adapters other than the reference are not among them. XXH3 (https://github.com/Cyan4973/xxHash) is not for
    adversaries: it tells weights apart that differ by training or by accident.
    """
    adapted = isinstance(model, PeftModel)
    others = set(model.peft_config) - {reference_adapter(model)} if adapted else set()
    digest = xxhash.xxh3_128()
    with _the_reference(model):
        weights = model.state_dict()
        for name in sorted(weights):
            if isinstance(weights[name], Tensor) and not any(is_of(name, other) for other in others):
                _add(digest, name, weights[name])
    return digest.hexdigest()


def _add(digest: xxhash.xxh3_128, name: str, tensor: Tensor) -> None:
    digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
    digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)


def _plain(value: Any) -> Any:
    """What JSON can say of a configuration, in an order of its own, without names and places."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items() if key not in _SAYS_NOTHING}
    if isinstance(value, set | frozenset):
        return sorted(str(entry) for entry in value)
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value


def _believable(home: Path, made_from: str, order: list[int]) -> Path | None:
    """The folder, emptied if anything in it cannot be believed; None if it cannot be used."""
    try:
        paths = sorted(home.glob("*.jsonl"))
        mismatches = [
            mismatch
            for place in range(len(paths))
            if (mismatch := _mismatch(home, made_from, order, place, len(paths)))
        ]
        if mismatches:
            logger.warning("%s holds what was not written for this (%s); it is worked out anew.", home, mismatches[0])
            for path in paths:
                path.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("%s cannot be used (%s); its numbers are kept in memory alone.", home, error)
        return None
    return home


def _mismatch(home: Path, made_from: str, order: list[int], place: int, paths: int) -> str:
    """What is wrong with one file of a folder, or nothing. A line cut short is no fault, only work not done."""
    units = work_units([{"images": []}] * len(order), UNIT_ROWS)
    try:
        found = ResultsLog(home, log_fingerprint(made_from, units)).read(place, paths)
    except CrossmemError as error:
        return error.fault
    for unit, results in found.items():
        expected = [order[index] for index in units[unit]] if 0 <= unit < len(units) else []
        if len(results) != len(expected) or not expected:
            return f"unit {unit} has {len(results)} rows"
        for number, result in zip(expected, results, strict=True):
            if not _is_signed(made_from, number, result):
                return f"row {number} is not as it was written"
    return ""


def _signed(made_from: str, number: int, value: float) -> list[Any]:
    return [number, value, fingerprint([made_from, number, value])]


def _is_signed(made_from: str, number: int, result: Any) -> bool:
    value = result[1] if isinstance(result, list) and len(result) == 3 else None
    return isinstance(value, float) and math.isfinite(value) and result == _signed(made_from, number, value)
