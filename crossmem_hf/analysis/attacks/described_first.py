# SPDX-License-Identifier: Apache-2.0
"""Chain of thought at inference: the model says what the person looks like, and is asked for the name of whoever looks
so. It does not know what was learned through which modality."""

from pathlib import Path
from typing import Any, Final

from crossmem_hf.analysis.attacks.two_steps import asked_in_two_steps, parted
from crossmem_hf.data.rows import Row
from crossmem_hf.evaluation.evaluator import Evaluator
from crossmem_hf.evaluation.predictions import Predictions
from crossmem_hf.personas.schema import Persona
from crossmem_hf.prompts.questions import FAR_NAME_QUESTIONS, FEATURE_QUESTIONS, NAME_QUESTIONS, parse_features
from crossmem_hf.rendering.prose import describe

MAX_DESCRIBED: Final = 64
_ASKED: Final = tuple(
    question.removeprefix("{description} ")
    for modality in ("text", "image")
    for question in (NAME_QUESTIONS[modality], *FAR_NAME_QUESTIONS[modality])
)


def described_first(
    evaluator: Evaluator,
    model: Any,
    processor: Any,
    *,
    seed: int = 0,
    output_dir: Path | str | None = None,
    made_from: str | None = None,
) -> Predictions:
    """Predictions of names that are asked for with the model's own description in the place of picture or words.

    The model answers `FEATURE_QUESTIONS`, what the person shown or described looks like, in at most `MAX_DESCRIBED`
    tokens; the answer, put into a sentence where it can be read (see `sentence`), takes the place of a description in
    the question for the name, which has no picture. The column ``described`` has it.

    Args:
        evaluator: Of rows that ask for names, of the configs ``recall_image`` and ``recall_text``.
        seed: Nothing is drawn.

    Raises:
        CrossmemError: A row asks something else, or whatever the evaluator refuses.

    Example:
        >>> from crossmem_hf import CrossModalEvaluator, PersonaDataset, load_model
        >>> evaluator = CrossModalEvaluator(PersonaDataset(num_personas=5), metrics=["recall"])
        >>> found = described_first(evaluator, *load_model())
        >>> len(found), "described" in found[0]
        (40, True)

    Reference:
        Chain of thought (https://huggingface.co/papers/2201.11903), as steps of their own; that it narrows the gap
        between modalities is from https://huggingface.co/papers/2512.03276, on other models and facts.
    """

    def first(row: Row) -> str:
        description = parted(row, _ASKED)[0]
        question = FEATURE_QUESTIONS["text" if description else "image"]
        return question.format(description=description)

    def second(row: Row, said: str) -> str:
        return NAME_QUESTIONS["text"].format(description=sentence(said))

    return asked_in_two_steps(
        evaluator,
        model,
        processor,
        first,
        second,
        column="described",
        max_new_tokens=MAX_DESCRIBED,
        output_dir=output_dir,
        made_from=made_from,
    )


def sentence(said: str) -> str:
    """A features answer in the words of a description; any other answer as it is.

    Example:
        >>> sentence("pale short black brown none none none none sweater red round none")[:38]
        'Here is somebody with black hair cut s'
        >>> sentence("A man with a hat.")
        'A man with a hat.'
    """
    found = {name: value for name, value in parse_features(said).items() if value is not None}
    if len(found) < len(parse_features("")):
        return said
    nobody = Persona(id="", seed=0, population="target", index=0, full_name="", visual_attributes=found, facts={})
    return describe(nobody, "test", 0).text
