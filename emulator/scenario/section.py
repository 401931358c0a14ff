"""What every table of a scenario file is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    # what model_dump gives is what model_validate reads: keys and quantities as in a file
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_by_alias=True,
        validate_by_name=False,
        allow_inf_nan=False,
        serialize_by_alias=True,
    )


def preset_or_table(value: object) -> str:
    return "<table>" if isinstance(value, dict | Section) else "<preset>"
