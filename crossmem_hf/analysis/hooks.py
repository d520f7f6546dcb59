# SPDX-License-Identifier: Apache-2.0
"""What layers of a language model put out, read or replaced while the model runs. It does not know what it is for.

A place is a layer, counted from 0, and a site there: its hidden states (what the whole layer puts out), or what its
attention or its MLP adds to them, before any norm that the family puts behind it (Gemma). Besides there are the inputs
of the first layer, where tokens and pictures are embedded and nothing has been read yet.

Shapes: ``B`` rows, ``T`` tokens, ``D`` width.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final, Literal, get_args

from torch import Tensor, nn

from crossmem_hf.errors import CrossmemError, unknown
from crossmem_hf.models.modules import sublayer, text_layers

Site = Literal["hidden", "attention", "mlp"]
SITES: Final[tuple[Site, ...]] = get_args(Site)
Place = tuple[int, Site]
Change = Callable[[Tensor], Tensor]
"""From the (B, T, D) states that a place puts out to those that the model goes on with; it leaves its input alone."""


def module_at(model: Any, layer: int, site: Site) -> nn.Module:
    """The module whose output a place is, in a model with or without adapter.

    Raises:
        CrossmemError: There is no such site or layer, or the family's layers are not known.

    Example:
        >>> from crossmem_hf import load_model
        >>> type(module_at(load_model()[0], 0, "attention")).__name__
        'LlamaAttention'
    """
    if site not in SITES:
        raise unknown("site", [site], SITES)
    layers = text_layers(model)
    if not 0 <= layer < len(layers):
        raise CrossmemError(
            f"layer={layer!r}; the language model has {len(layers)} layers.", f"Choose 0 to {len(layers) - 1}."
        )
    return layers[layer] if site == "hidden" else sublayer(layers[layer], site)


@contextmanager
def reading(modules: Mapping[Any, nn.Module], part: Change | None = None) -> Iterator[dict[Any, Tensor]]:
    """A dictionary that holds, once the model ran inside, what each module put out last, (B, T, D).

    Args:
        modules: Name -> module; names are the keys of the dictionary.
        part: What of the states is kept, so that the rest needs no memory; None keeps them all.

    Raises:
        CrossmemError: At the end, if a module did not run, as in a compiled model, and nothing else went wrong.

    Example:
        >>> import torch
        >>> double = nn.Linear(1, 1, bias=False)
        >>> with reading({"twice": double}) as seen:
        ...     out = double(torch.ones(1, 2, 1))
        >>> torch.equal(seen["twice"], out)
        True
    """
    seen: dict[Any, Tensor] = {}

    def keep(name: Any) -> Change:
        def see(states: Tensor) -> Tensor:
            seen[name] = states if part is None else part(states)
            return states

        return see

    with changing({module: keep(name) for name, module in modules.items()}):
        yield seen
    missing = [name for name in modules if name not in seen]
    if missing:
        raise CrossmemError(
            f"The model gave no states of {missing[0]!r}; torch.compile takes no notice of hooks.",
            "Run the model without torch_compile.",
        )


@contextmanager
def replacing(model: Any, changes: Mapping[Place, Change]) -> Iterator[None]:
    """Whatever runs inside goes on with the changed states; afterwards the model is as it was, also after an error.

    Raises:
        CrossmemError: As `module_at`, before anything runs.

    Example:
        >>> import torch
        >>> from crossmem_hf import load_model
        >>> model, _ = load_model()
        >>> with replacing(model, {(0, "mlp"): torch.zeros_like}), torch.no_grad():
        ...     logits = model(torch.tensor([[1, 2]])).logits
        >>> bool((logits == model(torch.tensor([[1, 2]])).logits).all())
        False
    """
    with changing({module_at(model, *place): change for place, change in changes.items()}):
        yield


@contextmanager
def changing(modules: Mapping[nn.Module, Change]) -> Iterator[None]:
    """The same for modules that are known; of an output that is a tuple, the first part is changed."""

    def hook(change: Change) -> Callable[..., Any]:
        def put(_module: nn.Module, _inputs: Any, out: Any) -> Any:
            return (change(out[0]), *out[1:]) if isinstance(out, tuple) else change(out)

        return put

    with ExitStack() as held:
        for module, change in modules.items():
            held.callback(module.register_forward_hook(hook(change)).remove)
        yield


@contextmanager
def inputs_changed(modules: Mapping[nn.Module, Change]) -> Iterator[None]:
    """Whatever runs inside, the modules read changed states, which are their first argument or `hidden_states`."""

    def hook(change: Change) -> Callable[..., Any]:
        def put(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if args:
                return (change(args[0]), *args[1:]), kwargs
            return args, {**kwargs, "hidden_states": change(kwargs["hidden_states"])}

        return put

    with ExitStack() as held:
        for module, change in modules.items():
            held.callback(module.register_forward_pre_hook(hook(change), with_kwargs=True).remove)
        yield


@contextmanager
def embeddings_changed(model: Any, change: Change) -> Iterator[None]:
    """Whatever runs inside, the first layer reads changed embeddings of tokens and pictures.

    Raises:
        CrossmemError: The layers of the language model cannot be found.
    """
    with inputs_changed({text_layers(model)[0]: change}):
        yield


def check_sites(model: Any, sites: Collection[Site]) -> None:
    """Nothing, if every layer of a model has all these sites.

    Raises:
        CrossmemError: As `module_at`.
    """
    for layer in range(len(text_layers(model))):
        for site in sites:
            module_at(model, layer, site)
