# SPDX-License-Identifier: Apache-2.0
"""Models built by hand, in which one MLP and one attention carry every answer, and rows that they know.

Tokens and pictures fill the first third of the width. At every token one layer's MLP writes into the second third what
it reads there; one later layer's attention, which looks at all tokens alike, copies that into the last third; the head
reads the last third alone. All other layers add nothing.
"""

import torch

from crossmem_hf.models.modules import modules_of, sublayer, text_layers
from crossmem_hf.models.turns import answer_tokens, prompt_text
from crossmem_hf.scoring.inputs import encode
from tests.scoring.families import families
from tests.scoring.tiny import image_row

NAMES = ("Zoq", "Viz", "Wyx", "Qij", "Zuj", "Woz", "Qux", "Vyq")
"""Four tokens each."""


def rows(count=8):
    """A portrait, a name, and a number as the answer, one token."""
    return [
        {
            "images": image_row(number)["images"],
            "prompt": [{"role": "user", "content": f"This is {name}. What is their number?"}],
            "answer": str(number + 1),
            "persona_id": f"p{number}",
            "modality": "image",
            "attribute": "number",
        }
        for number, name in enumerate(NAMES[:count])
    ]


def circuit(model):
    """The layer whose MLP, and the one whose attention does something: the last but one and the last."""
    count = len(text_layers(model))
    return count - 2, count - 1


def planted(name, *, reads="subject"):
    """A family's model that knows the answers of `rows` by heart, and its processor.

    Args:
        reads: "subject" if answers depend on names, and pictures are all alike; "image" if names are.
    """
    family = families()[name]
    model, processor = family.model(), family.processor
    with torch.no_grad():
        _wire(model)
        _embed(model, reads)
        _teach(model, processor)
    return model, processor


def _thirds(width):
    third = width // 3
    return slice(0, third), slice(third, 2 * third), slice(2 * third, 3 * third)


def _wire(model):
    generator, (writes, copies) = torch.Generator().manual_seed(0), circuit(model)
    for number, layer in enumerate(text_layers(model)):
        attention, mlp = sublayer(layer, "attention"), sublayer(layer, "mlp")
        for linear in (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj, mlp.down_proj):
            linear.weight.zero_()
            if linear.bias is not None:
                linear.bias.zero_()
        width = mlp.down_proj.weight.shape[0]
        first, second, third = _thirds(width)
        if number == writes:
            for linear in (mlp.gate_proj, mlp.up_proj):
                drawn = torch.randn(linear.weight.shape, generator=generator)
                linear.weight.zero_()
                linear.weight[:, first] = drawn[:, first]
            mlp.down_proj.weight[second] = torch.randn(mlp.down_proj.weight[second].shape, generator=generator)
        if number == copies:
            heads = attention.v_proj.weight.shape[0]  # all keys and values, which several queries may share
            size = min(heads, second.stop - second.start)
            attention.v_proj.weight[:size, second] = torch.eye(size, second.stop - second.start)
            attention.o_proj.weight[third][:, :size] = 8 * torch.eye(third.stop - third.start, size)


def _embed(model, reads):
    """Embeddings of one length, so that norms tell nothing; what is not to be read is the same everywhere."""
    weight = model.get_input_embeddings().weight
    first, *_ = _thirds(weight.shape[1])
    drawn = torch.randn(weight[:, first].shape, generator=torch.Generator().manual_seed(1))
    weight.zero_()
    weight[:, first] = drawn / drawn.norm(dim=1, keepdim=True) if reads == "subject" else 1.0

    if reads == "subject":
        for parameter in modules_of(model).projector.parameters():
            parameter.zero_()

    def only_the_first_third(_module, args, kwargs):
        states = args[0] if args else kwargs["hidden_states"]
        kept = torch.zeros_like(states)
        kept[..., first] = states[..., first]
        return ((kept, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": kept})

    text_layers(model)[0].register_forward_pre_hook(only_the_first_third, with_kwargs=True)


def _teach(model, processor):
    """The head says each row's answer where the last third looks as in that row."""
    asked = rows()
    seen = []
    handle = model.get_output_embeddings().register_forward_pre_hook(lambda _, args: seen.append(args[0][0, -1]))
    for row in asked:
        model(**encode(processor, [prompt_text(processor, row)], [row["images"]]))
    handle.remove()
    head = model.get_output_embeddings().weight
    *_, third = _thirds(head.shape[1])
    states = torch.stack(seen)[:, third]
    head.zero_()
    tokens = [answer_tokens(processor, row, [row["answer"]])[0][0][0] for row in asked]
    head[tokens, third] = torch.linalg.pinv(states).T * 30.0
