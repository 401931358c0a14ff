"""Which tests reckon, and wait for nothing: their turn comes when others have nothing to do (run_all.py)."""

from __future__ import annotations

#: folders and files, from this folder; in others such tests are marked ``patient`` each
RECKONING = (
    "answers/", "compare/", "epoch/", "exports/", "interventions/", "links/", "nodes/load/", "orbit/",
    "outlook/", "placement/", "platform/", "presets/", "report/", "routing/", "scenario/", "training/",
    "vagrant/", "cli/test_cli_calibrate.py", "cli/test_cli_compare.py", "cli/test_cli_cost.py",
    "cli/test_cli_errors.py", "cli/test_cli_export.py", "cli/test_cli_help.py", "cli/test_cli_report.py",
    "cli/test_cli_sla.py", "nodes/serving/test_serving_errors.py", "run/test_run_determinism.py",
    "test_imports.py", "testing/test_testing_plugin.py", "web/test_page_units.py",
)  # fmt: skip


def reckons(path: str) -> bool:
    """Of a test's or its file's name, from the project's root."""
    return path.startswith(tuple(f"tests/{place}" for place in RECKONING))
