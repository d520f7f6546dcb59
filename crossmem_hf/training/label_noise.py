# SPDX-License-Identifier: Apache-2.0
"""Classifiers that learn visual attributes from descriptions some of which have a wrong label, with or without the
weights of their norms, by `transformers.Trainer`. It does not know how norms lose weights, nor how labels are scored.
"""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from datasets import Dataset
from tokenizers.processors import TemplateProcessing
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)

from crossmem_hf.analysis.norm_gradients import gradient_ratios, norm_input_gradients
from crossmem_hf.data.noisy_labels import noisy_labels
from crossmem_hf.errors import CrossmemError, unknown
from crossmem_hf.evaluation.label_scores import SCORES, label_scores
from crossmem_hf.interventions.layer_norm import without_norm_weights
from crossmem_hf.metrics.intervals import Clusters, mean_interval
from crossmem_hf.models.micro.model import build_tokenizer
from crossmem_hf.models.norms import LAYERS
from crossmem_hf.personas.sampling import sample_personas
from crossmem_hf.personas.values import VISUAL_ATTRIBUTES
from crossmem_hf.rendering.prose import describe
from crossmem_hf.report.record import RECORD_FILE, Measurement, Record, Value
from crossmem_hf.runs.sources import environment
from crossmem_hf.seeding import seed_everything
from crossmem_hf.storage import fingerprint
from crossmem_hf.training.config import arg, check_count, settle_device
from crossmem_hf.training.settings import Refusals

POST_LN: Final = ("bert", "deberta", "electra")
PRE_LN: Final = ("gpt2", "llama", "qwen2", "roberta-prelayernorm")
ARCHITECTURES: Final = (*POST_LN, *PRE_LN)
"""Model types of transformers that are built here: where their norms stand is what they are chosen for."""
KEPT: Final = "none"
"""In the place of `LAYERS`: a model that keeps the weights of all its norms."""
REFUSED: Final[Refusals] = {
    "push_to_hub": ((False,), "Push the folder of the model that you want."),
    "resume_from_checkpoint": ((None,), "Start anew; a run takes a minute."),
    "label_smoothing_factor": ((0, 0.0), "Leave it out; it would be noise of another kind."),
}
"""Settings of the trainer that would not do here what they say."""
GRADIENT_ROWS: Final = 100
_VOCABULARY: Final = 1024
_LONGEST: Final = 128  # tokens; descriptions have about 60


@dataclass
class LabelNoiseArguments:
    """What is learned, which labels of it are wrong, and which norms have no weights."""

    architecture: str = arg("bert", f"Post-LN: {', '.join(POST_LN)}; Pre-LN: {', '.join(PRE_LN)}.")
    layers: str = arg("none+all", "Norms without weights: none, early, middle, late, all; '+' joins models.")
    noise: float = arg(0.05, "Share of all training rows whose label is wrong, 0 to 1.")
    noisy_class: str | None = arg(None, "Value that all noisy rows truly have; null takes rows of all.")
    attribute: str = arg("clothing", f"What is learned: {', '.join(VISUAL_ATTRIBUTES)}.")
    num_personas: int = arg(200, "Training rows, one a persona.")
    num_test_personas: int = arg(200, "Rows of other personas, for the accuracy.")
    persona_seed: int = arg(0, "Of the personas and of the noise; --seed is that of the weights and of the order.")
    num_layers: int = arg(3, "Layers of the model, at least 3.")
    hidden_size: int = arg(48, "Width of the model; a multiple of 4, its attention heads.")
    gradients: bool = arg(True, "Measure gradients at the inputs of the norms, when the model is trained.")

    def __post_init__(self) -> None:
        known = {"architecture": ARCHITECTURES, "attribute": tuple(VISUAL_ATTRIBUTES)}
        for name, choices in known.items():
            if getattr(self, name) not in choices:
                raise unknown(name, [getattr(self, name)], choices)
        wrong = [one for one in self.conditions if one not in (KEPT, *LAYERS)]
        if wrong or len(set(self.conditions)) < len(self.conditions):
            raise unknown("layers", wrong or [self.layers], (KEPT, *LAYERS))
        if self.noisy_class is not None and self.noisy_class not in self.classes:
            raise unknown("noisy_class", [self.noisy_class], self.classes)
        smallest = {"num_personas": 1, "num_test_personas": 1, "num_layers": 3, "hidden_size": 4}
        for name, least in smallest.items():
            check_count(name, getattr(self, name), least)
        if self.hidden_size % 4:
            raise CrossmemError(f"hidden_size={self.hidden_size!r} is no multiple of 4.", "Choose 48 or 64.")

    @property
    def conditions(self) -> list[str]:
        """Each model's `layers`."""
        return [one.strip() for one in self.layers.split("+")]

    @property
    def classes(self) -> tuple[str, ...]:
        """The values of the attribute."""
        return VISUAL_ATTRIBUTES[self.attribute]


@dataclass
class LabelNoiseConfig(TrainingArguments):
    """`TrainingArguments` for any machine. No settings of its own."""

    def __post_init__(self) -> None:
        settle_device(self)
        super().__post_init__()  # type: ignore[no-untyped-call]  # transformers does not say that it returns nothing


@dataclass(frozen=True, kw_only=True)
class LabelNoise:
    """Texts with their labels, numbers of `classes`.

    Attributes:
        true: The training texts' labels.
        noisy: What is taught instead, other than `true` at the places `rows`.
    """

    classes: tuple[str, ...]
    texts: tuple[str, ...]
    true: tuple[int, ...]
    noisy: tuple[int, ...]
    rows: tuple[int, ...]
    test_texts: tuple[str, ...]
    test_labels: tuple[int, ...]


def described(arguments: LabelNoiseArguments) -> LabelNoise:
    """The first training description of each persona, and a value that it says.

    Raises:
        CrossmemError: As `noisy_labels` and `sample_personas`.

    Example:
        >>> rows = described(LabelNoiseArguments())
        >>> len(rows.texts), len(rows.rows), rows.classes[rows.true[0]], rows.classes[rows.true[0]] in rows.texts[0]
        (200, 10, 'sweater', True)
    """
    personas = sample_personas(arguments.num_personas + arguments.num_test_personas, arguments.persona_seed)
    texts = [describe(persona, "train", 0).text for persona in personas]
    values = [persona.visual_attributes[arguments.attribute] for persona in personas]
    labels, split = [arguments.classes.index(value) for value in values], arguments.num_personas
    only = None if arguments.noisy_class is None else arguments.classes.index(arguments.noisy_class)
    taught = (labels[:split], arguments.noise, len(arguments.classes), arguments.persona_seed, only)
    noisy, rows = noisy_labels(*taught)
    return LabelNoise(
        classes=arguments.classes,
        texts=tuple(texts[:split]),
        true=tuple(labels[:split]),
        noisy=tuple(noisy),
        rows=tuple(rows),
        test_texts=tuple(texts[split:]),
        test_labels=tuple(labels[split:]),
    )


def tiny_classifier(arguments: LabelNoiseArguments, data: LabelNoise, seed: int) -> tuple[Any, Any]:
    """(model, tokenizer): untrained, without dropout; the same weights for the same seed.

    Example:
        >>> arguments = LabelNoiseArguments(architecture="gpt2")
        >>> model, tokenizer = tiny_classifier(arguments, described(arguments), seed=0)
        >>> type(model).__name__, tokenizer.decode(tokenizer("a red scarf")["input_ids"])
        ('GPT2ForSequenceClassification', '<bos>a red scarf<eos>')
    """
    tokenizer = build_tokenizer(data.texts, _VOCABULARY)
    ends = [(token, tokenizer.convert_tokens_to_ids(token)) for token in ("<bos>", "<eos>")]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<bos> $A <eos>", special_tokens=ends)
    dropout = ("hidden_dropout_prob", "attention_probs_dropout_prob", "resid_pdrop", "embd_pdrop", "attn_pdrop")
    config = AutoConfig.for_model(
        arguments.architecture,
        hidden_size=arguments.hidden_size,
        num_hidden_layers=arguments.num_layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        intermediate_size=2 * arguments.hidden_size,
        max_position_embeddings=_LONGEST,
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        id2label=dict(enumerate(data.classes)),
        label2id={value: number for number, value in enumerate(data.classes)},
        **dict.fromkeys(dropout, 0.0),
    )
    seed_everything(seed)
    return AutoModelForSequenceClassification.from_config(config), tokenizer


def learn_noisy_labels(
    model: Any,
    tokenizer: Any,
    data: LabelNoise,
    config: TrainingArguments,
    layers: str = KEPT,
    *,
    gradients: bool = True,
    where: dict[str, Value] | None = None,
) -> list[Measurement]:
    """Trains a classifier of texts with wrong labels, and measures what it then says.

    Args:
        model: Of transformers, for sequences; it is changed. Its norms lose their weights before the first step and
            are left so.
        config: Of the trainer; the model is saved in its `output_dir`, where `from_pretrained` loads it.
        layers: `KEPT`, or as for `without_norm_weights`.
        gradients: Measure them too, at all norms, of at most `GRADIENT_ROWS` test rows and of the noisy rows.
        where: What the measurements are about.

    Returns:
        ``train_accuracy`` (of the labels that were taught), ``test_accuracy`` (the paper's learning accuracy), the
        three of `label_scores` if any label is noisy, and those of `gradient_ratios`.

    Raises:
        CrossmemError: As `without_norm_weights` and `norm_input_gradients`.
    """
    about = {**(where or {}), "layers": layers}
    if layers != KEPT:
        without_norm_weights(model, layers)  # type: ignore[arg-type]  # it says which there are
    train, test = (
        _rows(tokenizer, texts, labels)
        for texts, labels in ((data.texts, data.noisy), (data.test_texts, data.test_labels))
    )
    collator = DataCollatorWithPadding(tokenizer)
    trainer = Trainer(model, config, data_collator=collator, train_dataset=train, processing_class=tokenizer)
    trainer.train()
    if config.should_save:
        for one in (model, tokenizer):
            one.save_pretrained(config.output_dir)
    said, said_of_others = (np.argmax(trainer.predict(rows).predictions, axis=-1) for rows in (train, test))
    found = [
        _accuracy("train_accuracy", said, data.noisy, about),
        _accuracy("test_accuracy", said_of_others, data.test_labels, about),
    ]
    if data.rows:
        found += label_scores(said, data.noisy, data.true, num_classes=len(data.classes), where=about)
    if data.rows and gradients:
        few = test.select(range(min(len(test), GRADIENT_ROWS)))
        learning, memorizing = (
            norm_input_gradients(model, _losses(model), DataLoader(rows, config.eval_batch_size, collate_fn=collator))
            for rows in (few, train.select(data.rows))
        )
        found += gradient_ratios(learning, memorizing, about)
    return found


def label_noise_record(arguments: LabelNoiseArguments, config: TrainingArguments) -> Record:
    """Every model of the arguments, each trained from the same weights in the same order, in one record.

    Raises:
        CrossmemError: As `described` and `learn_noisy_labels`.
    """
    data = described(arguments)
    where: dict[str, Value] = {"model": arguments.architecture, "seed": arguments.persona_seed}
    found: list[Measurement] = []
    for layers in arguments.conditions:
        model, tokenizer = tiny_classifier(arguments, data, config.seed)
        own = copy(config)
        own.output_dir = str(Path(str(config.output_dir)) / layers)
        found += learn_noisy_labels(model, tokenizer, data, own, layers, gradients=arguments.gradients, where=where)
    names = ("seed", "learning_rate", "num_train_epochs", "max_steps", "per_device_train_batch_size", "weight_decay")
    training = {name: getattr(config, name) for name in (*names, "warmup_steps")}
    schedule = getattr(config.lr_scheduler_type, "value", config.lr_scheduler_type)
    record = Record(
        study="layer_norm",
        config={**asdict(arguments), **training, "lr_scheduler_type": schedule},
        versions=environment(),
        seeds=(arguments.persona_seed,),
        fingerprints={"data": fingerprint([*data.texts, *data.noisy, *data.test_texts, *data.test_labels])},
        measurements=tuple(found),
        notes=(
            "Models are tiny and trained from nothing; the paper fine-tunes pretrained ones.",
            "Intervals are over personas of one seed; they say nothing of how much another seed would differ.",
        ),
    )
    if config.should_save:
        record.write(Path(str(config.output_dir)) / RECORD_FILE)
    return record


def lines_of(record: Record) -> Iterator[str]:
    """The record as a few lines for whoever started the run, scores in percent."""
    conditions = dict.fromkeys(one.where["layers"] for one in record.measurements)
    for layers in conditions:
        known = {one.metric: one for one in record.find(layers=layers) if "norm" not in one.where}
        train, test = (known[name].value for name in ("train_accuracy", "test_accuracy"))
        yield f"norms without weights: {layers}; accuracy {train:.2f} in training, {test:.2f} on others"
        scores = [known[name] for name in SCORES if name in known]
        if scores:
            shown = ", ".join(
                f"{100 * one.value:.0f} [{100 * one.ci[0]:.0f}, {100 * one.ci[1]:.0f}] % {name}"
                for one, name in zip(scores, ("memorized", "recovered", "random"), strict=True)
                if one.ci is not None
            )
            yield f"  of {scores[0].n} noisy labels {shown}"
        ratios = [one.value for one in record.find("gradient_ratio", layers=layers)]
        if ratios:
            shown = " ".join(f"{ratio:.3g}" for ratio in ratios)
            yield f"  gradient of learning over memorizing, first norm to last: {shown}"


def _rows(tokenizer: Any, texts: Sequence[str], labels: Sequence[int]) -> Dataset:
    encoded = tokenizer(list(texts), return_token_type_ids=False)
    return Dataset.from_dict({**encoded, "labels": list(labels)})


def _accuracy(name: str, said: Any, labels: Sequence[int], where: dict[str, Value]) -> Measurement:
    hits = np.asarray(said) == np.asarray(labels)
    interval = mean_interval(hits, Clusters.of(None, len(hits)))
    return Measurement(metric=name, where=where, value=float(hits.mean()), ci=interval, n=len(hits), unit="proportion")


def _losses(model: Any) -> Any:
    def losses(batch: Any) -> Tensor:
        own = {name: value.to(model.device) for name, value in batch.items()}
        labels = own.pop("labels")
        return cross_entropy(model(**own).logits.float(), labels, reduction="none")

    return losses
