"""Which line a key stands on."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orbitmesh.emulator.toml_lines import key_lines, line_of

TEXT = '''# a comment with [brackets] and = signs
name = "x" # trailing
"quoted key" = 'literal # no comment'
long = """
two [lines]
"quoted" ""\\""" # still inside
"""
other = \'\'\'
[not.a.table]
\'\'\'

[a.b]   # header
c.d = 1
when = 2026-11-01 07:32:00Z
list = [
  1, # one
  { x = 1, y = [2, 3] },

  "]",
]

[[tables]]
key = 1

[tables.sub]
deep = true

[[tables]]
key = 2
[[tables.inner]]
z = -1.5e3
[[tables.inner]]
z = [[1, 2],
     [3]]
'''


def test_every_kind_of_key() -> None:
    tomllib.loads(TEXT)
    lines = key_lines(TEXT)
    assert lines[("name",)] == 2
    assert lines[("quoted key",)] == 3
    assert lines[("long",)] == 4
    assert lines[("other",)] == 8
    assert lines[("a", "b")] == 12
    assert lines[("a", "b", "c", "d")] == 13
    assert lines[("a", "b", "when")] == 14
    assert lines[("a", "b", "list")] == 15
    assert [lines[("a", "b", "list", i)] for i in range(3)] == [16, 17, 19]
    assert lines[("a", "b", "list", 1, "y", 1)] == 17
    assert lines[("tables", 0)] == 22
    assert lines[("tables", 0, "sub", "deep")] == 26
    assert lines[("tables", 1, "key")] == 29
    assert lines[("tables", 1, "inner", 0, "z")] == 31
    assert lines[("tables", 1, "inner", 1, "z", 1, 0)] == 34
    assert ("not",) not in lines


def test_a_key_that_is_not_there_has_the_line_of_its_table() -> None:
    lines = key_lines(TEXT)
    assert line_of(lines, ("tables", 1, "missing")) == 28
    assert line_of(lines, ("a", "b", "list", 1, "missing")) == 17
    assert line_of(lines, ("nothing",)) is None


def test_line_ends_of_other_systems() -> None:
    assert key_lines(TEXT.replace("\n", "\r\n")) == key_lines(TEXT)


keys = st.from_regex(r"[a-z0-9_-]{1,6}", fullmatch=True)
scalars = st.one_of(
    st.integers(-1000, 1000).map(str),
    st.booleans().map(lambda b: str(b).lower()),
    st.text(st.characters(codec="ascii", exclude_categories=["Cc"], exclude_characters="'"), max_size=12).map(
        lambda s: f"'{s}'"
    ),
    st.text(st.sampled_from("ab[]{}#=,.' \n"), max_size=12).map(lambda s: f'"""{s}"""'),
    st.sampled_from(
        ["2026-11-01T00:00:00Z", "2026-11-01 00:00:00+02:00", "07:32:00", "0xff", "1_000", "-inf"]
    ),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: "[" + ", # c ]\n ".join(parts) + "\n]"),
        st.dictionaries(keys, inner, max_size=3)
        .filter(lambda d: all("\n" not in v for v in d.values()))
        .map(lambda d: "{" + ", ".join(f"{k} = {v}" for k, v in d.items()) + "}"),
    ),
    max_leaves=6,
)


@given(st.dictionaries(keys, st.tuples(values, st.integers(0, 2)), max_size=6))
def test_any_table_is_walked_to_its_end(table: dict[str, tuple[str, int]]) -> None:
    text, where = "", {}
    for key, (value, blank) in table.items():
        text += "\n" * blank
        where[key] = text.count("\n") + 1
        text += f"{key} = {value} # note\n"
    parsed: dict[str, Any] = tomllib.loads(text)
    lines = key_lines(text)
    assert {key: lines[(key,)] for key in parsed} == where

    def walk(value: Any, location: tuple[str | int, ...]) -> None:
        assert location in lines
        children = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
        for part, child in children:
            walk(child, (*location, part))

    for key, value in parsed.items():
        walk(value, (key,))
