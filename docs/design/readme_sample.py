"""The sample of a report in README.md, made from a run; the middle gateways and the long tables are left out.

    sudo ./mesh demo --out /tmp/demo && .venv/bin/python docs/design/readme_sample.py /tmp/demo

prints it; with --write it replaces the one in README.md.
"""

from __future__ import annotations

import argparse
import io
import re
from pathlib import Path

from rich.console import Console, Group

from orbitmesh.emulator.record.report import to_table
from orbitmesh.emulator.record.results import load_run
from orbitmesh.emulator.record.tables import StatisticsTable

README = Path(__file__).parents[2] / "README.md"
WIDTH = 125
SHOWN = 3
BLOCK = re.compile(r"(?<=^```text\n)run  .*?(?=^```$)", re.DOTALL | re.MULTILINE)


def drawn(*parts: object) -> str:
    console = Console(file=(file := io.StringIO()), width=WIDTH)
    console.print(*parts, sep="\n")
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def sample(run: Path, called: str) -> str:
    """What ``report`` prints, shortened; the folder is named as a run of its own would be."""
    results = load_run(run)
    gateways = results.summary["gateways"]
    whole = to_table(results)
    assert isinstance(whole, Group)
    header, table, meaning, *rest = whole.renderables
    assert isinstance(table, StatisticsTable)
    # after the last long table: what is lost, the own error, the verdict
    texts = drawn(*rest)
    ending = texts[texts.index("the emulation's own error: ") :]
    omitted = f"  … the other {len(gateways) - SHOWN} gateways …\n\n"
    shown = drawn(header, StatisticsTable(gateways[:SHOWN])) + omitted + drawn(meaning)
    left_out = (
        "\n  … the same of sound samples alone, the parts of each time, what was due, a matrix of satellites "
        "and gateways …\n\n"
    )
    return (shown + left_out + ending).replace(str(run), called)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path, help="the folder of a run")
    parser.add_argument("--write", action="store_true", help="replace the sample in README.md")
    arguments = parser.parse_args()
    text = sample(arguments.run, f"runs/{load_run(arguments.run).summary['run_id']}")
    if arguments.write:
        README.write_text(BLOCK.sub(lambda _: text, README.read_text(), count=1))
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
