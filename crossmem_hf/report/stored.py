# SPDX-License-Identifier: Apache-2.0
"""Objects that are checked once and kept as JSON: a field that is wrong is named. It does not know what they hold."""

import json
import os
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from crossmem_hf.errors import CrossmemError
from crossmem_hf.storage import write_atomic


class Frozen(BaseModel):
    """Checked on construction, frozen afterwards: no field is converted, unknown ones and numbers that are not finite
    are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join([type(self).__name__, *map(str, first["loc"])])
            cause = first.get("ctx", {}).get("error")
            got = "" if cause or first["type"] == "missing" else f"; got {first['input']!r:.80}"
            said = cause.fault.removesuffix(".") if isinstance(cause, CrossmemError) else cause or first["msg"]
            raise CrossmemError(f"{place}: {said}{got}.", "Correct that field.") from error


class Stored(Frozen):
    """What is kept as one JSON file that says which version of its fields it has."""

    newest: ClassVar[int]
    file_name: ClassVar[str]
    remedy: ClassVar[str]

    def to_json(self) -> str:
        """This as JSON, one entry of a list a line; equal ones give equal text."""
        fields = [f"{json.dumps(name)}: {_encoded(value)}" for name, value in self.model_dump(mode="json").items()]
        return "{\n" + ",\n".join(fields) + "\n}\n"

    def write(self, path: str | os.PathLike[str]) -> Path:
        """The path, once it holds `to_json`.

        Raises:
            CrossmemError: The file could not be written.
        """
        return write_atomic(path, self.to_json())

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """What `write` put into a file, or into a folder under `file_name`.

        Raises:
            CrossmemError: There is none, or it is not JSON, something else, or of another version.
        """
        file = Path(path)
        file = file / cls.file_name if file.is_dir() else file
        kind, shown = cls.__name__.lower(), repr(str(file))
        try:
            raw = json.loads(file.read_bytes())
            json.dumps(raw, ensure_ascii=False).encode()  # half a surrogate pair could not be written
        except OSError as error:
            raise CrossmemError(f"Could not read {shown}: {error.strerror or error}.", cls.remedy) from error
        except (ValueError, RecursionError) as error:
            raise CrossmemError(f"{shown} is not JSON, perhaps cut short: {error}.", cls.remedy) from error
        version = raw.get("schema_version") if isinstance(raw, dict) else None
        if version != cls.newest:
            what = f"no {kind}: it has no schema_version" if version is None else f"of schema version {version!r}"
            raise CrossmemError(f"{shown} is {what}; this crossmem_hf reads version {cls.newest}.", cls.remedy)
        try:
            return cls(**raw)
        except CrossmemError as error:
            raise CrossmemError(f"{shown} is no valid {kind}. {error.fault}", cls.remedy) from error


def _encoded(value: Any) -> str:
    if isinstance(value, list) and any(isinstance(entry, dict) for entry in value):
        return "[\n" + ",\n".join(f"  {json.dumps(e, ensure_ascii=False, allow_nan=False)}" for e in value) + "\n]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True)
