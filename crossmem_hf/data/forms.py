# SPDX-License-Identifier: Apache-2.0
"""Rows as people write them -> rows as they are read here. It does not know what is asked.

One form is read everywhere: `prompt`, a list of turns; `images`, a list, empty for text; `completion`, a list of one
turn of the assistant; `answer`, a text. What means the same is put into it: a prompt that is a string is one turn of
the user, a completion that is a string or a turn is the answer, a list of one answer is that answer, no pictures at
all are an empty list, one picture is a list of one. As many typed ``<image>`` as there are pictures stand for them.
Anything else is refused, and the row named.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from crossmem_hf.errors import CrossmemError

if TYPE_CHECKING:
    import datasets

Row = Mapping[str, Any]

TYPED = "<image>"  # how people write the place of a picture, whatever token a model has for it
_LARGEST_WHOLE = 2**53  # from here on a float is not every whole number
_ANSWERS = ("completion", "chosen", "rejected")
_OWN_PICTURES = ("image", "url", "path", "base64", "image_url")  # where other libraries' parts keep a picture
ROW_REMEDY = "Give conversational prompt-completion rows with an images list (empty for text)."
_PICTURE_REMEDY = 'Put pictures into `images`, in their order; a part {"type": "image"} is the place of one.'
_PROMPT_REMEDY = 'Write it as [{"role": "user", "content": "Who is this?"}].'
_LIST_REMEDY = "Give a list of pictures, empty for text; of a dataset in torch or numpy format pass with_format(None)."
_DATASET_REMEDY = (
    "Make one with Dataset.from_list(rows) or Dataset.from_pandas(table); of a DatasetDict pass one split, and load "
    "without streaming."
)
_ANSWER_REMEDY = 'Write one text, such as [{"role": "assistant", "content": "Ann Lee"}].'


def as_row(row: Any, index: int | str) -> dict[str, Any]:
    """The row in the one form that is read here, other columns as they are; columns that it lacks stay away.

    Args:
        index: What the row is called in errors: its number, or words such as ``"3 of the forget set"``.

    Raises:
        CrossmemError: It is no mapping, or has no prompt or images; a prompt that is no conversation, an answer that
            is not one text, pictures that are no list, or another number of typed ``<image>`` than of pictures.

    Example:
        >>> as_row({"prompt": "Who?", "completion": "Ann", "images": None}, 0)["prompt"]
        [{'role': 'user', 'content': 'Who?'}]
    """
    if not isinstance(row, Mapping):
        raise CrossmemError(f"Row {index} is {row!r}; expected a mapping.", ROW_REMEDY)
    missing = [name for name in ("prompt", "images") if name not in row and not (name == "images" and "image" in row)]
    if missing:
        raise CrossmemError(f"Row {index} has no column {missing}; it has {sorted(map(str, row))}.", ROW_REMEDY)
    images = _images(row, index)
    read = {**row, "images": images, "prompt": _prompt(row["prompt"], len(images), index)}
    for column in _ANSWERS:
        if column in row:
            read[column] = _completion(row[column], column, index)
    if "answer" in row:
        read["answer"] = _one_text(row["answer"], index)
    return read


def is_missing(value: Any) -> bool:
    """Whether a cell is empty: None, or the NaN that tables have in its place."""
    return value is None or (isinstance(value, float) and value != value)


def day_as_text(value: Any) -> Any:
    """A day as files write it, if the value is one, or a point in time at which one begins; else the value.

    Example:
        >>> day_as_text(datetime(1987, 5, 3)), day_as_text("Ann")
        ('1987-05-03', 'Ann')
    """
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value
    return value.isoformat() if isinstance(value, date) else value


def _images(row: Row, index: int | str) -> list[Any]:
    given = row["images"] if "images" in row else row.get("image")
    if is_missing(given):
        return []
    if isinstance(given, list | tuple):
        return list(given)
    if not isinstance(given, Mapping | bytes) and not hasattr(given, "convert"):
        raise CrossmemError(f"Row {index} has images={shorten(repr(given), 80)}; expected a list.", _LIST_REMEDY)
    return [given]


def _prompt(given: Any, num_images: int, index: int | str) -> list[dict[str, Any]]:
    turns: Any = [{"role": "user", "content": given}] if isinstance(given, str) else given
    turns = [turns] if isinstance(turns, Mapping) else turns
    if not isinstance(turns, list | tuple) or not turns or not all(map(_is_turn, turns)):
        raise CrossmemError(f"Row {index} has prompt={given!r}; expected a list of turns.", _PROMPT_REMEDY)
    if isinstance(given, str) and not given.strip():
        raise CrossmemError(f"Row {index} has prompt={given!r}; expected a question.", _PROMPT_REMEDY)
    for part in (part for turn in turns for part in _parts(turn["content"])):
        _check_part(part, index)
    placed = sum(_is_picture(part) for turn in turns for part in _parts(turn["content"]))
    if placed and placed != num_images:
        raise CrossmemError(
            f"Row {index} places {placed} picture(s) in its prompt and has {num_images}.",
            "Place each picture of `images` once, or none: they then come before the first words of the user.",
        )
    if num_images and not placed and not any(turn["role"] == "user" for turn in turns):
        raise CrossmemError(
            f"Row {index} has {num_images} picture(s) and no turn of the user that could show them: {given!r}.",
            _PROMPT_REMEDY,
        )
    typed = sum(part["text"].count(TYPED) for turn in turns for part in _parts(turn["content"]) if part.get("text"))
    if not typed or not num_images:
        return [dict(turn) for turn in turns]
    if typed + placed != num_images:
        raise CrossmemError(
            f"Row {index} has {TYPED!r} {typed} time(s) in its prompt and {num_images} picture(s).",
            "Write it once for each picture, or leave it out: pictures then come before the first words of the user.",
        )
    return [{**turn, "content": _placed(turn["content"])} for turn in turns]


def _is_turn(turn: Any) -> bool:
    if not isinstance(turn, Mapping) or not isinstance(turn.get("role"), str):
        return False
    content = turn.get("content")
    return isinstance(content, str) or (
        isinstance(content, list | tuple)
        and all(isinstance(part, Mapping) and isinstance(part.get("text", ""), str | None) for part in content)
    )


def _check_part(part: Row, index: int | str) -> None:
    """Templates show parts of kinds that they know and drop the others, and nobody reads a picture inside a part."""
    kind = part.get("type", "text")
    own = [name for name in _OWN_PICTURES if not is_missing(part.get(name))]
    if kind in ("text", "image") and not own:
        return
    fault = f"a picture of its own under {own[0]!r}" if own else f"type {kind!r}; expected 'text' or 'image'"
    raise CrossmemError(f"Row {index} has a part of its prompt with {fault}.", _PICTURE_REMEDY)


def _is_picture(part: Row) -> bool:
    return part.get("type") == "image"


def _parts(content: Any) -> Sequence[Row]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _placed(content: Any) -> list[dict[str, Any]]:
    """Parts, each typed picture one of them; white space around pictures is left to the template."""
    parts: list[dict[str, Any]] = []
    for part in _parts(content):
        if TYPED not in (part.get("text") or ""):
            parts.append(dict(part))
            continue
        for number, piece in enumerate(part["text"].split(TYPED)):
            parts += [{"type": "image"}] if number else []
            parts += [{"type": "text", "text": piece.strip()}] if piece.strip() else []
    return parts


def _completion(given: Any, column: str, index: int | str) -> list[dict[str, Any]]:
    """One turn of the assistant, whose content is a string; none if there is no answer."""
    turns = list(given) if isinstance(given, list | tuple) else [given]
    turns = [{"role": "assistant", "content": turn} if isinstance(turn, str) else turn for turn in turns]
    turns = [turn for turn in turns if not is_missing(turn)]
    if not turns:
        return []
    turn, *others = turns
    texts = _parts(turn["content"]) if _is_turn(turn) and turn["role"] == "assistant" else [{}]
    if others or any(not isinstance(part.get("text"), str) for part in texts):
        raise CrossmemError(f"Row {index} has {column}={given!r}; expected one answer.", _ANSWER_REMEDY)
    return [{**turn, "content": "".join(part["text"] for part in texts)}]


def _one_text(given: Any, index: int | str) -> Any:
    if is_missing(given):
        return None
    if not isinstance(given, list | tuple):
        return given
    different = list(dict.fromkeys(given)) if all(isinstance(each, str) for each in given) else []
    if len(different) != 1:
        raise CrossmemError(
            f"Row {index} has answer={given!r}; expected one text.",
            "Keep one answer, which is trained and scored, and give others as candidates.",
        )
    return different[0]


def _undated(value: Any) -> Any:
    """Days as texts again, as files write them; `datasets` reads a JSON column of nothing else as points in time."""
    if isinstance(value, Mapping):
        return {name: _undated(inner) for name, inner in value.items()}
    return [_undated(inner) for inner in value] if isinstance(value, list) else day_as_text(value)


def _as_text(answer: Any, where: str) -> str | None:
    """An answer as its file wrote it, though its column may be one of numbers, or of values of several kinds."""
    if answer is None or isinstance(answer, str):
        return answer
    if isinstance(answer, int | float) and not isinstance(answer, bool):
        if isinstance(answer, int) or not answer.is_integer():
            return str(answer)
        if abs(answer) < _LARGEST_WHOLE:
            return str(int(answer))
    raise CrossmemError(
        f"Row {where} has answer={answer!r}; expected a text.",
        "Write it as the text that is to be said; a column of points in time or large numbers has lost how it was "
        "written.",
    )


def conversational(data: "datasets.Dataset", name: str) -> "datasets.Dataset":
    """The rows of a dataset in the form of `as_row`, its prompts and answers with contents that are strings; the
    dataset itself if they have it already. Columns are read as they are stored, whatever format they are shown in.

    Args:
        name: What the dataset is called in errors.

    Raises:
        CrossmemError: It is no `datasets.Dataset`; as `as_row`; or a picture stands behind words of its prompt, which
            this form cannot say.
    """
    from datasets import Features, Image, List, Value

    data = _stored(data, name)
    turns = List({"role": Value("string"), "content": Value("string")})
    wanted: dict[str, Any] = {"prompt": turns, **dict.fromkeys(_ANSWERS, turns), "answer": Value("string")}
    pictures = "images" if "images" in data.column_names else "image"
    kept = {column: wanted[column] for column in wanted if column in data.column_names}
    if "answer" in kept and getattr(data.features["answer"], "dtype", None) in ("string", "large_string"):
        del kept["answer"]
    if "int" in str(getattr(data.features.get("persona_id"), "dtype", "")):
        kept["persona_id"] = Value("string")  # as tables number people
    odd = {column for column, feature in kept.items() if data.features[column] != feature}
    if pictures in data.column_names and data.features[pictures] != List(Image()):
        odd.add(pictures)
    if not odd or "prompt" not in data.column_names:
        return data
    features = Features({**data.features, **kept, "images": List(Image())})
    if pictures == "image":
        features.pop("image", None)

    if pictures in data.column_names and data.features[pictures] in (Image(), List(Image())):  # kept to the byte
        stored = Image(decode=False)
        data = data.cast_column(pictures, stored if data.features[pictures] == Image() else List(stored))

    def read(row: Row, number: int) -> dict[str, Any]:
        where = f"{number} of {name}"
        made = as_row({column: _undated(row[column]) if column in wanted else row[column] for column in row}, where)
        if "answer" in made:
            made["answer"] = _as_text(made["answer"], where)
        made["prompt"] = [{"role": turn["role"], "content": _string(turn, where)} for turn in made["prompt"]]
        for column in set(_ANSWERS) & set(made):
            made[column] = [{key: turn[key] for key in ("role", "content")} for turn in made[column]]
        return {column: made.get(column) for column in features}

    return data.map(read, with_indices=True, features=features, remove_columns=data.column_names)


def _stored(data: Any, name: str) -> "datasets.Dataset":
    """A dataset that shows its columns as they are stored; a transform of the user's own is not undone."""
    from datasets import Dataset

    if not isinstance(data, Dataset):
        kind = type(data).__name__
        raise CrossmemError(
            f"{name[:1].upper()}{name[1:]} is of type {kind}; expected a datasets.Dataset.", _DATASET_REMEDY
        )
    return data if data.format["type"] in (None, "custom") else data.with_format(None)


def _string(turn: Row, where: str) -> str:
    parts = [part for part in _parts(turn["content"]) if _is_picture(part) or part.get("text")]
    leading = [_is_picture(part) for part in parts]
    if leading != sorted(leading, reverse=True):
        raise CrossmemError(
            f"Row {where} has a picture behind words of its prompt, {turn['content']!r}.",
            "Put pictures before the words, or pass the rows as a list to the scoring functions.",
        )
    return "".join(part["text"] for part in parts if part.get("text"))
