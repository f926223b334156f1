"""Weight files with bytes flipped, cut off, and pickles with other opcodes: a sentence or weights, in a process that is watched."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests import ROOT

COUNT = 300
MAX_RESIDENT = 1500  # MB
SECONDS = 20  # of one file

WATCHED = """
import contextlib, io, json, os, pickle, pickletools, random, sys, time, zipfile
from pathlib import Path

home, count = Path(sys.argv[1]), int(sys.argv[2])
os.environ["GENSTUDIO_HOME"] = str(home)
import numpy, torch
from safetensors.torch import save_file
from genstudio.cli import main
from genstudio.importers import identify
from tests.importers.test_wrapped import BOTH, PLAIN, WRAPPED
from tests.memory import peak

def whole():
    for name, make in [*WRAPPED.items(), *BOTH.items()]:
        for new in (True, False):
            torch.save(make(), stream := io.BytesIO(), _use_new_zipfile_serialization=new)
            yield stream.getvalue()
    yield from (pickle.dumps({"G": {k: v.numpy() for k, v in PLAIN.items()}}, p) for p in range(6))
    save_file(PLAIN, home / "whole.safetensors")
    yield (home / "whole.safetensors").read_bytes()

OPCODES = [o.code.encode("latin1") for o in pickletools.opcodes]
NAMES = [b"os\\nsystem\\n", b"builtins\\neval\\n", b"torch\\nload\\n", b"their\\nCode\\n", b"numpy\\nload\\n"]

def changed(raw, rng):
    raw = bytearray(raw)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        at = rng.randrange(min(len(raw), rng.choice((64, 4096, len(raw)))))
        what = rng.randrange(6)
        if what == 0: raw[at] ^= 1 << rng.randrange(8)
        elif what == 1: raw[at : at + 1] = rng.choice(OPCODES)
        elif what == 2: raw[at:at] = rng.choice(OPCODES) * rng.choice((1, 3, 200))
        elif what == 3: raw[at:at] = b"c" + rng.choice(NAMES) + rng.choice((b"", b"(X\\x01\\x00\\x00\\x00atR", b"}b", b")\\x81"))
        elif what == 4: raw[at : at + 4] = rng.choice((b"\\xff\\xff\\xff\\x7f", b"\\xff\\xff\\xff\\xff", bytes(4)))
        elif len(raw) > 8: del raw[max(1, at) :]
    return bytes(raw)

def mutated(raw, rng):
    if raw[:2] != b"PK" or rng.random() < 0.3:
        return changed(raw, rng)
    stream = io.BytesIO()  # the pickle inside, with a right checksum
    with zipfile.ZipFile(io.BytesIO(raw)) as source, zipfile.ZipFile(stream, "w") as target:
        for info in source.infolist():
            body = source.read(info)
            target.writestr(info.filename, changed(body, rng) if info.filename.endswith("data.pkl") else body)
    return stream.getvalue()

acted, armed = [], False
def watch(event, arguments):
    acts = event in ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "socket.connect")
    if armed and (acts or event == "compile" and arguments[0] in ("a", b"a")):  # eval's of NAMES
        acted.append([event, str(arguments)[:200]])
sys.addaudithook(watch)

rng, bodies, said, slowest, opened = random.Random(7), list(whole()), [], 0, 0
for i in range(count):
    path = home / f"file{i}{rng.choice(('.pth', '.pkl', '.pt', '.bin', '.safetensors'))}"
    path.write_bytes(mutated(bodies[i % len(bodies)], rng))
    out, err = io.StringIO(), io.StringIO()
    before = time.monotonic()
    if i == 1: armed = True  # formats have been imported
    identify.identify(path)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["open", str(path)])
    slowest = max(slowest, time.monotonic() - before)
    opened += code == 0
    line = err.getvalue()
    if code not in (0, 2) or code == 2 and (line.count("\\n") != 1 or not line.startswith("genstudio: ") or len(line) > 400):
        said.append([i, code, line[:500]])
    path.unlink()
armed = False
resident = peak() / 2**20
print(json.dumps({"said": said, "acted": acted, "slowest": slowest, "opened": opened, "resident": resident}))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the resource module")
@pytest.mark.parametrize("count", [40, pytest.param(COUNT, marks=pytest.mark.slow)])
def test_mutated_files_are_a_sentence_each(count, tmp_path):
    command = [sys.executable, "-c", WATCHED, str(tmp_path), str(count)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=20 * 60)
    assert ended.returncode == 0, ended.stderr[-3000:]
    found = json.loads(ended.stdout.splitlines()[-1])
    print(found)
    assert found["said"] == [] and found["acted"] == []
    assert found["slowest"] < SECONDS and found["resident"] < MAX_RESIDENT
    assert 0 < found["opened"] < count, "some changes leave a whole file, and most do not"
