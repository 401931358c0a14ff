"""The board against a real Prometheus that scrapes a feed in which something happens."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from metrics_lab import running_feed, scraped

from orbitmesh.emulator.metrics import board

BOARD = json.loads(board.grafana())
TARGETS = [
    (panel["title"], target["expr"])
    for panel in BOARD["panels"]
    for target in panel.get("targets", ())
]  # fmt: skip
QUERIES = [*TARGETS, *((each["name"], each["expr"]) for each in BOARD["annotations"]["list"])]
#: there is nothing of these unless something is wrong or just happens
MAY_BE_EMPTY = ("orbitmesh_lasers_broken", "changes(orbitmesh_interventions")
PATIENCE_S = 40.0


def asked(expression: str) -> str:
    """As Grafana would ask it, of all meshes, over an interval of some scrapes."""
    for name, meant in {"$instance": ".*", "$__rate_interval": "3s", "$__interval": "3s"}.items():
        expression = expression.replace(name, meant)
    assert "$" not in expression
    return expression


class Prometheus:
    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **parameters: str) -> Any:
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=10) as answer:
            value = json.load(answer)
        assert value["status"] == "success", value
        return value["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return found

    def some(self, expression: str) -> list[dict[str, Any]]:
        """Rows, at least one: a machine that stood still for some seconds has scraped nothing meanwhile."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not (rows := self.query(expression)):
            assert time.monotonic() < deadline_s, f"{expression} gives nothing"
            time.sleep(0.3)
        return rows


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    if shutil.which("prometheus") is None:
        pytest.skip("needs prometheus (Debian's package of that name: ./mesh test installs it)")
    folder = tmp_path_factory.mktemp("prometheus")
    with running_feed() as seen, scraped(seen) as endpoint:
        port = int(endpoint.url.removesuffix("/metrics").rpartition(":")[2])
        config = board.scrape_config(port, None, None, None).replace(
            "scrape_interval: 5s", "scrape_interval: 500ms"
        )
        (folder / "prometheus.yml").write_text(config)
        # nobody's, who can write nowhere else, where this test is root
        user: dict[str, Any] = {}
        if Path("/proc/self").stat().st_uid == 0:
            place = Path("/tmp") / f"orbitmesh-prometheus-{free_port()}"
            place.mkdir(0o700)
            shutil.copy(folder / "prometheus.yml", place)
            for each in (place, place / "prometheus.yml"):
                shutil.chown(each, 65534, 65534)
            folder, user = place, {"user": 65534, "group": 65534, "extra_groups": []}
        own = free_port()
        try:
            with (folder / "log").open("wb") as log:
                process = subprocess.Popen(
                    [
                        "prometheus", f"--config.file={folder}/prometheus.yml",
                        f"--storage.tsdb.path={folder}/data",
                        f"--web.listen-address=127.0.0.1:{own}", "--log.level=warn",
                    ],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, **user,
                )  # fmt: skip
            try:
                found = Prometheus(f"http://127.0.0.1:{own}")
                wait(found, process, folder / "log")
                yield found
            finally:
                process.terminate()
                process.wait(20)
        finally:
            if user:
                shutil.rmtree(folder)


def wait(prometheus: Prometheus, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until it has scraped some times."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline_s, log.read_text()
        try:
            if any(float(row["value"][1]) >= 4 for row in prometheus.query("count_over_time(up[3s])")):
                return
        except OSError:
            pass  # it is not up yet
        time.sleep(0.2)


def test_the_endpoint_is_scraped_whole(prometheus: Prometheus) -> None:
    assert [row["value"][1] for row in prometheus.some('up{job="orbitmesh"}')] == ["1"]
    (target,) = prometheus.get("targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    # 12 ms of which light has 10, as the feed says: by the edges of their buckets
    udp = 'orbitmesh_latency_seconds_bucket{kind="udp"}'
    (found,) = prometheus.some(f"histogram_quantile(0.5, sum by (le) (rate({udp}[3s])))")
    assert 0.010 < float(found["value"][1]) <= 0.015
    (share,) = prometheus.some(
        'rate(orbitmesh_gateway_way_seconds_total{gateway="gw-london"}[3s])'
        ' / rate(orbitmesh_gateway_watched_seconds_total{gateway="gw-london"}[3s])'
    )
    assert float(share["value"][1]) == pytest.approx(0.75)


def test_every_query_of_the_board_has_an_answer(prometheus: Prometheus) -> None:
    for title, expression in QUERIES:
        meant = asked(expression)
        if expression.startswith(MAY_BE_EMPTY):
            prometheus.query(meant)
            continue
        rows = prometheus.some(meant)
        assert not all(row["value"][1] == "NaN" for row in rows), f"{title}: {meant} gives {rows}"


def test_the_board_names_each_of_its_panels_and_says_what_it_shows() -> None:
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(ids) == len(set(ids))
    for panel in BOARD["panels"]:
        assert panel["title"]
        if panel["type"] != "row":
            assert panel["description"].endswith("."), panel["title"]
            assert panel["targets"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
    for _, expression in QUERIES:
        assert re.search(r'instance=~"\$instance"', expression)


def test_the_scrape_configuration_is_one(tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("needs promtool (Debian's package prometheus: ./mesh test installs it)")
    for name in ("token", "ca.pem", "prometheus.pem", "prometheus.key"):
        (tmp_path / name).touch()
    texts = [
        board.scrape_config(9464, None, None, None),
        board.scrape_config(9464, "mesh.example:9464", tmp_path / "token", Path("ca.pem")),
    ]
    for text in texts:
        (tmp_path / "prometheus.yml").write_text(text)
        done = subprocess.run(
            ["promtool", "check", "config", "--syntax-only", "prometheus.yml"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
