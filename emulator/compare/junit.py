"""Results of rules as JUnit's XML, which CI systems show."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from ..shown import counted, plain
from .sla import Result, Verdict
from .sla_words import bound_text, value_text

MARKER = '<testsuites name="orbitmesh sla"'


def junit(run: str, notes: Sequence[str], results: Sequence[Result]) -> str:
    """What XML cannot hold (control characters, halves of characters) is escaped as elsewhere.

    A rule that is not known is a failure, or skipped where it passes so.
    """
    failed = sum(not each.passes for each in results)
    skipped = sum(each.passes and each.verdict is Verdict.NOT_KNOWN for each in results)
    counts = {
        "tests": str(len(results)), "failures": str(failed), "errors": "0", "skipped": str(skipped),
        "time": "0",
    }  # fmt: skip
    root = ET.Element("testsuites", {"name": "orbitmesh sla", **counts})
    suite = ET.SubElement(root, "testsuite", {"name": _text(run), **counts})
    told = ET.SubElement(suite, "properties")
    for note in notes:
        ET.SubElement(told, "property", {"name": "note", "value": _text(note)})
    if not notes:
        ET.SubElement(told, "property", {"name": "note", "value": "nothing is to be said against the run"})
    for each in results:
        name = f"{each.rule.name} [{each.subject}]" if each.subject else each.rule.name
        case = ET.SubElement(
            suite, "testcase", {"classname": f"sla.{each.rule.of}", "name": _text(name), "time": "0"}
        )
        said = _text(f"{value_text(each)}; {bound_text(each)}; {counted(each.samples, 'sample')}")
        why = _text(each.why)
        if each.verdict is Verdict.NOT_KNOWN and each.passes:
            ET.SubElement(case, "skipped", {"message": f"not known: {why}"})
        elif not each.passes:
            known = each.verdict is Verdict.FAIL
            message = f"{said}: {why}" if why else said
            kind = "fail" if known else "not known"
            failure = ET.SubElement(case, "failure", {"type": kind, "message": message})
            failure.text = message
        ET.SubElement(case, "system-out").text = said
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _text(text: str) -> str:
    return plain(text, 1000)
