"""A satellite gets into the shadow under load: what it has begun goes on at another, over the real links."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

pytestmark = [pytest.mark.netns, pytest.mark.beside]

PURE = Path(__file__).parents[1] / "placement/test_placement_outlive.py"  # dark after 17 s


def test_answers_move_out_of_the_shadow_with_their_cache(tmp_path: Path) -> None:
    found = re.search(r'SCENARIO = """(.*?)"""', PURE.read_text(), re.DOTALL)
    assert found is not None
    (tmp_path / "dusk.toml").write_text(found[1].replace("rate = 1.0", "rate = 2.0"))
    command = Path(sys.executable).with_name("orbitmesh")
    done = subprocess.run(
        [command, "run", "dusk.toml", "--duration", "22s", "--out", "out"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    (chat,) = json.loads((tmp_path / "out/summary.json").read_text())["customers"]
    answers = pq.read_table(tmp_path / "out/answers.parquet").drop_columns(["sim_utc"]).to_pylist()
    moved = [each for each in answers if each["ok"] and each["moves"]]
    assert len(moved) >= 5
    assert chat["moved"]["moves"] >= len(moved)
    with_cache = [each for each in moved if not each["recomputed"]]
    assert with_cache
    for each in with_cache:
        # 131 bytes a token at this scale of the rates, of the prompt and of some of the answer
        assert each["prompt_tokens"] * 131 <= each["moved_bytes"] <= (each["prompt_tokens"] + 600) * 132
        assert each["moved_to"] != each["dst"]
        # light between the two, and back
        assert each["moved_ns"] > 5_000_000
        model_ns = each["queue_ns"] + each["prefill_ns"] + each["decode_ns"] + each["moved_ns"]
        assert model_ns < each["answer_ns"]
    assert all(each["output_tokens"] == 600 for each in moved)
    lost = {each["error"] for each in answers if not each["ok"] and not each["refused"]}
    assert lost <= {"cut-off"}
