"""Visitors of a real server, while a training runs: each is served without an error, and memory does not grow on."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from genstudio.training import jobs
from genstudio.training.jobs import RUNNING, JobSpec
from tests.training.test_jobs import ROOT, home, state, until  # noqa: F401
from tests.training.test_jobs_trained import AT_LENGTH, ORDERED, on_processor, pictures  # noqa: F401

VISITORS, SECONDS = (64, 180) if AT_LENGTH else (16, 10)
STAY = 6.0  # seconds until a visitor leaves, and comes again as another
GROWTH = 400 * 2**20  # bytes that the server may grow by once each visitor has been there


class Visitor:
    """A browser without a screen: it opens the page as one does, and sends what the page's controls hold."""

    def __init__(self, url: str, seed: int):
        self.http, self.draw = httpx.Client(base_url=url, timeout=120), random.Random(seed)
        self.answers, self.waits = 0, []

    def visit(self, over: threading.Event) -> None:
        """Again and again, until it is over."""
        while not over.is_set():
            self.open()
            leaves = time.monotonic() + STAY
            while not over.is_set():
                started = time.monotonic()
                self.fire(self.event("position", "input"), {"position": self.draw.random()})
                self.waits.append(time.monotonic() - started)
                if self.draw.random() < 0.1:
                    self.fire(self.verb("sample"), {}, ["vae_mnist", [self.draw.randrange(1000)], None, None])
                if time.monotonic() > leaves:
                    break
            self.beat.close()

    def open(self) -> None:
        assert "<html" in self.http.get("/").raise_for_status().text
        config = self.http.get("/config").raise_for_status().json()
        self.session, self.events = f"{self.draw.getrandbits(60):x}", config["dependencies"]
        self.names = {c["props"].get("elem_id"): c["id"] for c in config["components"]}
        self.values = {c["id"]: c["props"].get("value") for c in config["components"]}
        # As long as it lasts, the server keeps what belongs to this visit.
        self.beat = self.http.send(self.http.build_request("GET", f"/gradio_api/heartbeat/{self.session}"), stream=True)
        for event in self.events:
            if any(kind == "load" for _, kind in event["targets"]) and event["backend_fn"]:
                self.fire(event, {})

    def event(self, name: str, kind: str) -> dict:
        return next(e for e in self.events if [self.names[name], kind] in e["targets"] and e["backend_fn"])

    def verb(self, name: str) -> dict:
        return next(e for e in self.events if e["api_name"] == name)

    def fire(self, event: dict, changes: dict[str, object], given: list | None = None) -> None:
        self.values |= {self.names[name]: value for name, value in changes.items()}
        data = [self.values.get(id) for id in event["inputs"]] if given is None else given
        body = {"data": data, "fn_index": event["id"], "session_hash": self.session}
        body |= {"event_data": None, "trigger_id": None}
        if event["queue"] is False:
            said = self.http.post("/gradio_api/run/predict", json=body).raise_for_status().json()
        else:
            self.http.post("/gradio_api/queue/join", json=body).raise_for_status()
            said = self.result()
        self.answers += 1
        for id, value in zip(event["outputs"], said["data"], strict=given is None):
            if not (isinstance(value, dict) and value.get("__type__") == "update"):
                self.values[id] = value
            elif "value" in value:
                self.values[id] = value["value"]

    def result(self) -> dict:
        with self.http.stream("GET", f"/gradio_api/queue/data?session_hash={self.session}") as lines:
            for line in lines.iter_lines():
                said = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
                if said.get("msg") == "process_completed":
                    assert said["success"], said["output"]
                    return said["output"]
        raise AssertionError("the server said nothing more")


@pytest.mark.slow
@pytest.mark.timeout(900)  # on a machine that may be busy, where a job stands back
def test_visitors_are_served_while_a_training_runs(pictures, on_processor, tmp_path):  # noqa: F811
    """They open the page, drag the position and ask the API: no error, and the memory that the server's process has
    resident (RSS) does not go on growing once each of them has been there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1"}
    with (tmp_path / "server.txt").open("w") as log:
        server = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        until(lambda: answers(url))
        job = jobs.start(JobSpec("ae2d_mnist", str(pictures), recipe=ORDERED | {"images": 10**9}))
        until(lambda: job.reports, 400)
        visitors = [Visitor(url, seed) for seed in range(VISITORS)]
        memory, process, over = [], psutil.Process(server.pid), threading.Event()
        with ThreadPoolExecutor(VISITORS) as pool:
            visits = [pool.submit(visitor.visit, over) for visitor in visitors]
            try:
                until(lambda: all(visitor.waits for visitor in visitors) or any(visit.done() for visit in visits))
                end = time.monotonic() + SECONDS  # from when each of them has been served
                while time.monotonic() < end and not any(visit.done() for visit in visits):
                    memory.append(process.memory_info().rss)
                    time.sleep(0.5)
            finally:
                over.set()
        memory.append(process.memory_info().rss)
        for visit in visits:
            visit.result()
        waits = sorted(wait for visitor in visitors for wait in visitor.waits)
        print(
            f"{VISITORS} visitors, {sum(visitor.answers for visitor in visitors)} answers; a drag waits "
            f"{waits[len(waits) // 2]:.2f} s, one in twenty {waits[int(0.95 * len(waits))]:.2f} s or more; "
            f"the server holds {memory[0] >> 20} to {max(memory) >> 20} MiB"
        )
        assert max(memory) - memory[0] < GROWTH
        seen = job.images
        until(lambda: job.images > seen)
        assert state(job) == RUNNING and server.poll() is None
        assert "Traceback" not in (tmp_path / "server.txt").read_text()
    finally:
        server.kill()
        server.wait()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False
