"""Rules and what is wrong with them: file, line, key, and the next step."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from orbitmesh.emulator.compare.rules import MOST_RULES, load_rules, rules_of
from orbitmesh.emulator.errors import InputError

RULE = '[[rules]]\nname = "tail"\nof = "udp"\nquantile = "p99"\nat-most = "120 ms"\n'


def test_a_rule_holds_what_it_says() -> None:
    (rule,) = rules_of(RULE + 'gateway = ["gw-l*", "gw-t*"]\nleast-samples = 5\nnot-known = "pass"\n')
    assert (rule.q, rule.bounds, rule.gateway) == (0.99, (None, 120e6), ("gw-l*", "gw-t*"))
    (rule,) = rules_of('[[rules]]\nname = "a"\nof = "lost"\nat-most = "0.1 %"\nkind = "udp"\n')
    assert rule.bounds == (None, pytest.approx(0.001))
    (rule,) = rules_of('[[rules]]\nname = "a"\nof = "samples"\nat-least = 10\n')
    assert rule.bounds == (10.0, None)


@pytest.mark.parametrize(
    ("text", "line", "key", "said"),
    [
        ("", None, "rules", "the key 'rules' is missing"),
        ("rules = []", 1, "rules", "there is no rule"),
        ("[[rules]\n", 1, None, "this is not valid TOML"),
        ("rules = 5", 1, "rules", "write a list in [brackets]"),
        (RULE.replace("at-most", "at-mots"), 5, "rules[0].at-mots", "did you mean 'at-most'"),
        (RULE.replace('"udp"', '"upd"'), 3, "rules[0].of", "write one of 'udp', 'grpc'"),
        (RULE.replace('"p99"', '"p100"'), 4, "rules[0].quantile", "is no quantile"),
        (RULE.replace('"p99"', '"p0"'), 4, "rules[0].quantile", "is no quantile"),
        (RULE.replace('"p99"', "0.99"), 4, "rules[0].quantile", 'write a quantile in quotes, as in "p99"'),
        (RULE.replace('quantile = "p99"\n', ""), 1, "rules[0].quantile", "add one, as in quantile"),
        (RULE.replace('"120 ms"', '"120 km"'), 5, "rules[0].at-most", "has the unit 'km': write"),
        (RULE.replace('"120 ms"', '"120"'), 5, "rules[0].at-most", "has no unit"),
        (RULE.replace('"120 ms"', '"-1 ms"'), 5, "rules[0].at-most", "is negative"),
        (RULE.replace('"120 ms"', "120"), 5, "rules[0].at-most", "has no unit"),
        (RULE.replace('"120 ms"', "1.5"), 5, "rules[0].at-most", "write a quantity in quotes"),
        (RULE.replace('"120 ms"', "nan"), 5, "rules[0].at-most", "write a quantity in quotes"),
        (RULE.replace('"120 ms"', "true"), 5, "rules[0].at-most", "write a quantity in quotes"),
        (RULE.replace('at-most = "120 ms"\n', ""), 2, "rules[0].name", 'as in at-most = "100 ms"'),
        (RULE + 'class = "chat"\n', 6, "rules[0].class", "udp is not told by class"),
        (RULE + 'kind = "udp"\n', 6, "rules[0].kind", "udp is not told by kind"),
        (RULE + 'each = "class"\n', 6, "rules[0].each", "udp is not told by class"),
        (RULE + "least-samples = 0\n", 6, "rules[0].least-samples", "it must be at least 1"),
        (RULE + 'sound-only = "yes"\n', 6, "rules[0].sound-only", "write true or false"),
        (RULE + RULE, 7, "rules[1].name", "two rules are named 'tail'"),
        ('[[rules]]\nname = "a"\nof = "lost"\nat-most = "101 %"\n', 4, "rules[0].at-most", "more than all"),
        ('[[rules]]\nname = "a"\nof = "lost"\nat-most = "1 ms"\n', 4, "rules[0].at-most", "unit 'ms'"),
        ('[[rules]]\nname = "a"\nof = "lost"\nquantile = "p50"\nat-most = "1 %"\n', 4, "rules[0].quantile",
         "there is no quantile"),
        ('[[rules]]\nname = "a"\nof = "samples"\nat-least = "10"\n', 4, "rules[0].at-least", "quotes"),
        ('[[rules]]\nname = "a"\nof = "samples"\nat-least = -1\n', 4, "rules[0].at-least", "from 0 on"),
        ('[[rules]]\nname = "a"\nof = "trusted"\nat-least = 1\n', 4, "rules[0].at-least", "true or not"),
        ('[[rules]]\nname = "a"\nof = "trusted"\ngateway = "gw-x"\n', 4, "rules[0].gateway", "not told by"),
        ('[[rules]]\nname = "a"\nof = "engine-lateness"\nquantile = "p90"\nat-most = "1 ms"\n', 4,
         "rules[0].quantile", "alone"),
        ('[[rules]]\nname = "a"\nof = "late-ticks"\nat-most = 1\nleast-samples = 3\n', 5,
         "rules[0].least-samples", "one figure of the run"),
        ('[[rules]]\nname = "a"\nof = "availability"\nat-least = "1 %"\nsound-only = true\n', 5,
         "rules[0].sound-only", "is not of samples"),
        ('[[rules]]\nname = "a"\nof = "lost"\nat-most = "1 %"\nat-least = "2 %"\n', 5,
         "rules[0].at-least", "'2 %' is more than at-most, '1 %': nothing can pass"),
        ('[[rules]]\nname = ""\nof = "trusted"\n', 2, "rules[0].name", "too short"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(
    text: str, line: int | None, key: str | None, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text)
    with pytest.raises(InputError) as told:
        load_rules(path)
    assert said in told.value.message
    assert (told.value.path, told.value.line, told.value.key) == (path, line, key)


def test_hostile_files_are_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    began = time.process_time()
    with path.open("wb") as file:
        file.truncate(100 * 2**20)  # as large as it says, and no byte of it on the disk
    for text, said in (
        (None, "larger than 1 MiB"),
        ("a = " + "[" * 5000 + "]" * 5000, "deep"),
        ("a = " + "{ b = " * 40 + "1" + "}" * 40, "deep"),
        (RULE * (MOST_RULES + 1), "1,001 rules are more than 1,000"),
        ('x = "' + "\x1b[31m" + '"', "not valid TOML"),
        ("a." * 1000 + "b = 1", "more than 32 parts"),
    ):
        if text is not None:
            path.write_text(text)
        with pytest.raises(InputError, match=said) as told:
            load_rules(path)
        assert "\x1b" not in str(told.value)
        assert len(str(told.value)) < 1000
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-"):
        load_rules(path)
    for other in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match=r"folder|no such file"):
            load_rules(other)
    assert time.process_time() - began < 20  # of a machine ten times slower
