"""matplotlib's SVG, made fit for a page of one file: no style that a strict policy forbids, no reference out.

Inline styles become attributes, ids begin with the figure's own, metadata goes.  Pure.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

_SVG = "http://www.w3.org/2000/svg"
_LINK = "{http://www.w3.org/1999/xlink}href"
_FONT = re.compile(r"(?:(italic|oblique) )?(?:(bold|[1-9]00) )?([\d.]+)px .*")
_INSIDE = re.compile(r"url\(#([^)]+)\)")
_DROPPED = ("metadata", "style", "title")
_AS_IN_THE_PAGE = ("font-family",)  # the page's style says it for all


def standing_alone(text: str, name: str, label: str) -> str:
    """ValueError where something in it leads outside."""
    ElementTree.register_namespace("", _SVG)
    root = ElementTree.fromstring(text)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] in _DROPPED:
                parent.remove(child)
    for element in root.iter():
        _as_attributes(element)
        _named(element, name)
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-label", label)
    return ElementTree.tostring(root, encoding="unicode")


def _as_attributes(element: ElementTree.Element) -> None:
    for declaration in filter(None, map(str.strip, element.attrib.pop("style", "").split(";"))):
        key, _, value = (part.strip() for part in declaration.partition(":"))
        if key == "font":
            found = _FONT.fullmatch(value)
            if found is None:
                raise ValueError(f"a font that is not known: {value}")
            for attribute, part in zip(
                ("font-style", "font-weight", "font-size"), found.groups(), strict=True
            ):
                if part:
                    element.set(attribute, part)
        elif key not in _AS_IN_THE_PAGE:
            element.set(key, value)


def _named(element: ElementTree.Element, name: str) -> None:
    if "id" in element.attrib:
        element.set("id", f"{name}-{element.get('id')}")
    link = element.attrib.pop(_LINK, None)
    if link is not None:
        if not link.startswith("#"):
            raise ValueError(f"a figure leads outside: {link[:60]}")
        element.set("href", f"#{name}-{link[1:]}")
    for key, value in element.attrib.items():
        if "url(" in value:
            element.set(key, _INSIDE.sub(rf"url(#{name}-\1)", value))
