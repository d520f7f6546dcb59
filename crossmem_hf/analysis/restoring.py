# SPDX-License-Identifier: Apache-2.0
"""One row's corrupted run with states of its clean run put back, at many places side by side. It does not know how the
row was corrupted, or what the numbers mean."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from crossmem_hf.analysis.corruptions import Corrupted
from crossmem_hf.analysis.hooks import SITES, Change, Site, embeddings_changed, module_at, reading, replacing
from crossmem_hf.analysis.token_groups import ALL, GROUPS
from crossmem_hf.errors import CrossmemError, unknown
from crossmem_hf.models.cross_attention import rows_apart
from crossmem_hf.models.families import reads_ahead
from crossmem_hf.models.modes import evaluating
from crossmem_hf.models.modules import text_layers
from crossmem_hf.models.turns import prompt_text
from crossmem_hf.scoring.batches import Auto, Room, check_size
from crossmem_hf.scoring.inputs import encode
from crossmem_hf.scoring.prefill import PER_TOKEN, Prefilled, extended, own_positions, positions, prefilled

Place = tuple[Site, int, str]
"""Site, layer in the middle of the window, and token group."""


@dataclass(frozen=True, kw_only=True)
class Restoring:
    """What is put back, one place at a time.

    Attributes:
        sites: Of `hooks.SITES`, each once.
        tokens: Of `token_groups.GROUPS`, each once, or `token_groups.ALL` for all of them together.
        window: How many layers around each are restored at once, fewer at both ends: as Meng et al. 2022 have it in
            their code, from ``layer - window // 2`` on. ReMem's window is not known; 1 is ours.

    Raises:
        CrossmemError: An unknown site or group, one twice or none, or a window below one.
    """

    sites: tuple[Site, ...] = SITES
    tokens: tuple[str, ...] = GROUPS
    window: int = 1

    def __post_init__(self) -> None:
        check_size("window", self.window)
        for name, chosen, known in (("site", self.sites, SITES), ("token group", self.tokens, (*GROUPS, ALL))):
            others = [one for one in chosen if one not in known]
            if others:
                raise unknown(name, others, known)
            if not chosen or len({*chosen}) < len(chosen):
                raise CrossmemError(
                    f"{name}s {list(chosen)!r}; expected at least one, each once.", f"Choose from {', '.join(known)}."
                )

    def places(self, num_layers: int) -> Iterator[Place]:
        """All places, site by site and layer by layer."""
        for site in self.sites:
            for layer in range(num_layers):
                for group in self.tokens:
                    yield site, layer, group

    def layers(self, middle: int, num_layers: int) -> range:
        """The layers restored around one."""
        first = middle - self.window // 2
        return range(max(0, first), min(num_layers, first + self.window))


@dataclass(frozen=True, slots=True)
class Runs:
    """A row's clean and corrupted run, each as often as wanted beside each other.

    Attributes:
        clean: What the clean run is fed behind the start, a row.
        corrupted: The same of the corrupted one.
        start: What is fed before, if it is shared.
        first: How many tokens the start has; 0 without one.
        noise: Changes the embeddings of corrupted runs.
    """

    model: Any
    row: Corrupted
    clean: dict[str, Any]
    corrupted: dict[str, Any]
    start: Prefilled | None
    first: int
    noise: Change | None = None

    @classmethod
    def of(cls, model: Any, processor: Any, row: Corrupted, *, share: bool) -> "Runs":
        """The runs of a row.

        Args:
            share: Whether what stands before all that the corruption changes may pass through the model once, and be
                kept in a cache.
        """
        fed: list[dict[str, Any]] = []
        start, first = None, min(row.groups[row.changed])
        share = share and not reads_ahead(model.config) and first > max(row.groups["image"], default=0)
        with running(model):
            for one in (row.clean, row.corrupted):
                inputs = encode(processor, [prompt_text(processor, one)], [one["images"]])
                inputs = {name: value.to(model.device) for name, value in inputs.items()}
                if share and start is None:
                    start = prefilled(model, _cut(inputs, first))
                fed.append(_behind(model, inputs, row.answer, start, first if share else 0))
        clean, corrupted = fed
        return cls(model, row, clean, corrupted, start, first if share else 0)

    def with_noise(self, deviations: float, seed: int) -> "Runs":
        """The same, where corrupted runs get noise at the tokens that the corruption changes, each time the same."""
        return replace(self, noise=_noise(self, deviations, seed, self.places(self.row.changed)))

    @property
    def length(self) -> int:
        """Tokens fed behind the start."""
        return int(self.clean["input_ids"].shape[1])

    def places(self, group: str) -> list[int]:
        """Where a group's tokens are among those behind the start; those before it are the same in both runs."""
        return [place - self.first for place in self.row.groups[group] if place >= self.first]

    def logprobs(self, inputs: dict[str, Any], copies: int) -> list[float]:
        """Log-probability of the whole answer in each of so many equal runs, nats."""
        repeated = {name: torch.cat([value] * copies) for name, value in inputs.items()}
        if self.start is not None:
            cache = copy.deepcopy(self.start.cache)
            cache.batch_repeat_interleave(copies)
            repeated["cache"] = cache
        answer = torch.tensor(self.row.answer, device=self.model.device)
        out = self.model(**repeated, use_cache=self.start is not None, logits_to_keep=len(answer))
        logits = out.logits[:, -len(answer) :].float()  # some models keep those of the prompt all the same
        tokens = torch.log_softmax(logits, -1).gather(-1, answer.expand(copies, -1)[..., None])
        sums: list[float] = tokens.double().sum((1, 2)).tolist()
        return sums


@contextmanager
def running(model: Any) -> Iterator[None]:
    """Within it a model runs as for evaluation, and its rows do not see each other."""
    with evaluating(model), rows_apart(model):
        yield


def _cut(inputs: dict[str, Any], length: int) -> dict[str, Any]:
    """The first tokens of a prompt that is alone in its batch, with all its pictures."""
    return {name: value[:, :length] if name in PER_TOKEN else value for name, value in inputs.items()}


def _behind(
    model: Any, inputs: dict[str, Any], answer: Sequence[int], start: Prefilled | None, first: int
) -> dict[str, Any]:
    """What a run is fed: the prompt from its place `first` on, and the answer but for its last token."""
    said = answer[:-1]
    if start is None:
        longer = extended(inputs, [said], token_type=int(reads_ahead(model.config))) if said else dict(inputs)
        if own_positions(model, inputs) is None:
            longer["position_ids"] = positions(longer["attention_mask"])
        return longer
    prompt = inputs["input_ids"][:, first:]
    fed = torch.cat([prompt, torch.tensor([[*said]], dtype=prompt.dtype, device=prompt.device)], dim=1)
    return {"input_ids": fed, "position_ids": start.next_B1 + torch.arange(fed.shape[1], device=fed.device)}


def _noise(runs: Runs, deviations: float, seed: int, places: Sequence[int]) -> Change:
    """The same noise, at the same tokens, in all corrupted runs of a row."""
    seen: list[Tensor] = []

    def look(states: Tensor) -> Tensor:
        seen.append(states[0, places])
        return states

    with running(runs.model), embeddings_changed(runs.model, look):
        runs.logprobs(runs.clean, 1)
    (own,) = seen
    drawn = torch.randn(own.shape, generator=torch.Generator().manual_seed(seed))
    added = (deviations * own.float().std(correction=0) * drawn.to(own.device)).to(own.dtype)

    def add(states: Tensor) -> Tensor:
        noisy = states.clone()
        noisy[:, places] += added
        return noisy

    return add


def traced(runs: Runs, restoring: Restoring, places: Sequence[Place], batch_size: int | Auto) -> dict[str, Any]:
    """The log-probability of the answer in the clean run, the corrupted one, and with each place restored."""
    model, count = runs.model, len(text_layers(runs.model))
    sought = {(layer, site): module_at(model, layer, site) for site in restoring.sites for layer in range(count)}
    with running(model):
        with reading(sought) as states:
            (clean,) = runs.logprobs(runs.clean, 1)
        with _corrupting(runs):
            (corrupted,) = runs.logprobs(runs.corrupted, 1)
    todo = [at for at, (_, _, group) in enumerate(places) if runs.places(group)]
    restored = [corrupted] * len(places)  # of tokens before the corruption there is nothing to restore
    room = Room(model.device, batch_size, "auto")
    room.saw(runs.length)
    while todo:
        now = todo[: room.prompts]
        changes = _changes(runs, restoring, [places[at] for at in now], states, count)
        try:
            with running(model), _corrupting(runs), replacing(model, changes):
                found = runs.logprobs(runs.corrupted, len(now))
        except RuntimeError as error:
            room.shrink(error, len(now))
            continue
        for at, logprob in zip(now, found, strict=True):
            restored[at] = logprob
        todo = todo[len(now) :]
    return {"clean": clean, "corrupted": corrupted, "restored": restored}


@contextmanager
def _corrupting(runs: Runs) -> Iterator[None]:
    with ExitStack() as held:
        if runs.noise is not None:
            held.enter_context(embeddings_changed(runs.model, runs.noise))
        yield


def _changes(
    runs: Runs,
    restoring: Restoring,
    batch: Sequence[Place],
    states: dict[Any, Tensor],
    num_layers: int,
) -> dict[tuple[int, Site], Change]:
    """What happens at each place when so many are restored beside each other, a row of the batch each."""
    members: dict[tuple[int, Site], list[tuple[int, list[int]]]] = {}
    for row, (site, middle, group) in enumerate(batch):
        for layer in restoring.layers(middle, num_layers):
            members.setdefault((layer, site), []).append((row, runs.places(group)))
    return {place: _restored(states[place], rows) for place, rows in members.items()}


def _restored(clean_1TD: Tensor, members: Sequence[tuple[int, list[int]]]) -> Change:
    def change(states: Tensor) -> Tensor:
        changed = states.clone()
        for row, places in members:
            changed[row, places] = clean_1TD[0, places]
        return changed

    return change
