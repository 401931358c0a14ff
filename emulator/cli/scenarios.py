"""``orbitmesh scenarios``: what is shipped."""

from __future__ import annotations

from .options import Format, FormatOption
from .output import print_rows

EXAMPLE = "Example: orbitmesh scenarios -o json"


def scenarios(output: FormatOption = Format.TABLE) -> None:
    """List the scenarios that come with orbitmesh; copy one to start your own."""
    from ..scenario import shipped

    print_rows(("name", "title", "path"), [(s.name, s.title, str(s.path)) for s in shipped()], output)
