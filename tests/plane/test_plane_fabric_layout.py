"""The table as Python lays it out, beside what a C compiler makes of the engine's header file."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from orbitmesh.emulator.plane.fabric.banks import PIPE, PLACE
from orbitmesh.emulator.plane.fabric.table import COUNTERS, HEADER, KIND

SOURCES = Path(__file__).parents[2] / "emulator/plane/engine/src"

#: where the engine calls a field otherwise
IN_C = {
    "bank0_at": "bank_at[0]",
    "bank1_at": "bank_at[1]",
    "laser": "kind[0]",
    "ground": "kind[1]",
}
STRUCTS = {
    "fabric_header": HEADER,
    "fabric_kind": KIND,
    "fabric_pipe": PIPE,
    "fabric_place": PLACE,
    "fabric_counters": COUNTERS,
}


@pytest.mark.parametrize("struct", STRUCTS)
def test_fields_lie_where_the_engine_looks_for_them(struct: str, tmp_path: Path) -> None:
    kind: np.dtype[np.void] = STRUCTS[struct]
    names = kind.names or ()
    printed = "".join(
        f'printf("%zu %zu\\n", offsetof(struct {struct}, {IN_C.get(name, name)}),'
        f" sizeof(((struct {struct} *)0)->{IN_C.get(name, name)}));\n"
        for name in names
    )
    program = tmp_path / "layout"
    program.with_suffix(".c").write_text(
        f'#include <stddef.h>\n#include <stdio.h>\n#include "fabric_table.h"\n'
        f'int main(void) {{\n{printed}printf("%zu\\n", sizeof(struct {struct}));\n}}\n'
    )
    subprocess.run(["cc", "-std=c11", f"-I{SOURCES}", program.with_suffix(".c"), "-o", program], check=True)
    *fields, size = subprocess.check_output([program], text=True).splitlines()
    of_c = {name: tuple(map(int, field.split())) for name, field in zip(names, fields, strict=True)}
    assert kind.fields is not None
    assert {name: (kind.fields[name][1], kind.fields[name][0].itemsize) for name in names} == of_c
    assert kind.itemsize == int(size)
