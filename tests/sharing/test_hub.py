"""Sharing over the Hub, against a stand-in that speaks its HTTP: the real client, the real files, another machine."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import pickle
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import huggingface_hub.constants
import pytest
import torch
import yaml

from genstudio import catalog, checkpoint, cli
from genstudio.images import open_picture, read_recipe
from genstudio.recipes import commands, recipe
from genstudio.registry import find_system
from genstudio.sharing import hub, hub_cache

TOKEN = "hf_ThisMustNeverBeSeen"


class Hub(ThreadingHTTPServer):
    """Repositories in memory, a list of commits each. `anger` makes every answer that status, quoting the token."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.repos: dict[str, list[tuple[str, dict[str, bytes]]]] = {}
        self.private: set[str] = set()
        self.blobs: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.anger, self.library, self.sizes = 0, None, {}

    def put(self, repo: str, files: dict[str, bytes]) -> str:
        commits = self.repos.setdefault(repo, [])
        sha = hashlib.sha1(f"{repo}{len(commits)}".encode()).hexdigest()
        commits.append((sha, files))
        return sha


class Answers(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_):
        pass

    def answer(self, body, status: int = 200, **headers: str) -> None:
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do(self) -> None:
        hub, path = self.server, unquote(urlsplit(self.path).path).strip("/")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        hub.asked.append(f"{self.command} {path}")
        if hub.anger:
            return self.answer({"error": f"no: {self.headers.get('authorization')}"}, hub.anger, X_Error_Message=TOKEN)
        if path.startswith("lfs/"):  # an upload's content
            hub.blobs[path.removeprefix("lfs/")] = body
            return self.answer(b"")
        if path == "api/validate-yaml":
            yaml.safe_load(re.match("---\n(.*?)\n---", json.loads(body)["content"], re.DOTALL)[1])
            return self.answer({"errors": [], "warnings": []})
        if path == "api/repos/create":
            wanted = json.loads(body)
            repo = f"{wanted['organization']}/{wanted['name']}"
            if wanted.get("visibility") == "private" or wanted.get("private"):
                hub.private.add(repo)
            hub.put(repo, {".gitattributes": b""}) if repo not in hub.repos else None
            return self.answer({"url": f"{hub.url}/{repo}"})
        if path.endswith(".git/info/lfs/objects/batch"):
            objects = json.loads(body)["objects"]
            links = [{**o, "actions": {"upload": {"href": f"{hub.url}/lfs/{o['oid']}"}}} for o in objects]
            return self.answer({"transfer": "basic", "objects": links})
        model = re.fullmatch(r"api/models/([^/]+/[^/]+)(?:/(revision|preupload|commit)/(.+))?", path)
        file = re.fullmatch(r"([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        if not (model or file) or (repo := (model or file)[1]) not in hub.repos:
            return self.answer({"error": "Repository not found"}, 404, X_Error_Code="RepoNotFound")
        asked = file[2] if file else model[3] or "main"
        known = {sha: files for sha, files in hub.repos[repo]}
        sha = hub.repos[repo][-1][0] if asked == "main" else asked
        if sha not in known:
            return self.answer({"error": "Revision not found"}, 404, X_Error_Code="RevisionNotFound")
        if file:
            content = known[sha][file[3]]
            return self.answer(content, X_Repo_Commit=sha, ETag=f'"{hashlib.sha1(content).hexdigest()}"')
        if model[2] == "preupload":
            modes = [(f["path"], "lfs" if is_binary(f["path"]) else "regular") for f in json.loads(body)["files"]]
            return self.answer({"files": [{"path": p, "uploadMode": m, "shouldIgnore": False} for p, m in modes]})
        if model[2] == "commit":
            files = dict(known[sha])
            for line in map(json.loads, body.splitlines()):
                said = line["value"]
                if line["key"] == "file":
                    files[said["path"]] = base64.b64decode(said["content"])
                elif line["key"] == "lfsFile":
                    files[said["path"]] = hub.blobs[said["oid"]]
                elif line["key"] == "deletedFile":
                    del files[said["path"]]
            sha = hub.put(repo, files)
            return self.answer({"commitUrl": f"{hub.url}/{repo}/commit/{sha}", "commitOid": sha})
        self.answer(self.about(repo, sha, known[sha]))

    def about(self, repo: str, sha: str, files: dict[str, bytes]) -> dict:
        siblings = []
        for name, content in files.items():
            size = self.server.sizes.get(name, len(content))
            lfs = {"size": size, "sha256": hashlib.sha256(content).hexdigest(), "pointerSize": 130}
            siblings.append({"rfilename": name, "size": size, **({"lfs": lfs} if is_binary(name) else {})})
        card = re.match("---\n(.*?)\n---", files.get("README.md", b"").decode(), re.DOTALL)
        card = yaml.safe_load(card[1]) if card else None
        said = {"id": repo, "sha": sha, "private": repo in self.server.private, "siblings": siblings, "tags": []}
        library = self.server.library or (card or {}).get("library_name")
        return said | {"cardData": card} | ({"library_name": library} if library else {})

    do_GET = do_HEAD = do_POST = do_PUT = do


def is_binary(name: str) -> bool:
    return name.endswith((".safetensors", ".webp", ".bin"))


@pytest.fixture
def server(monkeypatch):
    hub = Hub()
    threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.url)
    links = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", links)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)  # its storage speaks another protocol
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield hub
    hub.shutdown()
    hub.server_close()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A GAN with a critic, a film and scores, as training leaves them."""
    folder = tmp_path_factory.mktemp("trained")
    torch.manual_seed(0)
    header = checkpoint.Header(
        "dcgan_avatars", data="avatars", credit="DiceBear", step=10, images=640, minutes=1.5, commit="abc1234",
        scores={"precision": {"value": 0.37, "low": 0.35, "high": 0.39, "n": 2000}}, versions={"torch": "2.15.0"},
        command="python -m genstudio train dcgan_avatars --images 640",
    )  # fmt: skip
    checkpoint.save(folder / "dcgan_avatars.safetensors", find_system("dcgan_avatars").build(), header)
    (folder / "dcgan_avatars.webp").write_bytes(b"RIFF, a film")
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("GENSTUDIO_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def run(capsys, *words) -> tuple[int, str, str]:
    code = cli.main(list(map(str, words)))
    return (code, *capsys.readouterr())


def pushed(capsys, trained, *flags) -> str:
    code, out, err = run(capsys, "push", trained / "dcgan_avatars.safetensors", "me/faces", *flags)
    assert code == 0, err
    return out.strip()


def refused(capsys, *words) -> str:
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "") and err.count("genstudio: ") == 1 and "Traceback" not in err
    return err


# There and back -------------------------------------------------------------------------------------------------


def test_what_was_pushed_is_pulled_again_byte_for_byte(server, trained, home, capsys):
    name = pushed(capsys, trained)
    commit = server.repos["me/faces"][-1][0]
    assert name == f"hf:me/faces@{commit}"
    code, out, err = run(capsys, "pull", "me/faces", "--yes")
    assert (code, out.strip()) == (0, name)
    assert "apache-2.0" in err and "dcgan_avatars.safetensors 7.2 MB" in err
    folder = home / "hub/me/faces" / commit
    assert sorted(os.listdir(folder)) == ["config.json", *sorted(os.listdir(trained))]
    for file in trained.iterdir():
        assert (folder / file.name).read_bytes() == file.read_bytes()


def test_a_pinned_name_serves_wherever_a_checkpoint_is_named_and_the_recipe_says_the_commit(server, trained, capsys):
    """A recipe with `hf:me/faces` alone would make another picture after the next push."""
    name = pushed(capsys, trained)
    run(capsys, "pull", "me/faces", "--yes")
    assert name in catalog.available() and name in catalog.offered("latents")
    server.asked.clear()
    for word in ("hf:me/faces", name, name[:-33]):
        code, _, err = run(capsys, "sample", word, "--seeds", "5", "--truncation", "0.5", "--out", "out")
        assert code == 0, err
        made = read_recipe(open_picture("out/0005.png"))
        assert made["system"] == name and recipe.check(made) and name in commands.command(made)
    assert not server.asked, "what is here is not asked for again"
    assert [f"--init={name}"] == cli.sharing.at_hand(["--init=hf:me/faces"])


def test_an_older_commit_stays_what_it_was(server, trained, tmp_path, capsys):
    old = pushed(capsys, trained)
    again = tmp_path / "again"
    again.mkdir()
    torch.manual_seed(1)
    other = checkpoint.Header("dcgan_avatars")
    checkpoint.save(again / "dcgan_avatars.safetensors", find_system("dcgan_avatars").build(), other)
    new = pushed(capsys, again)
    assert "dcgan_avatars.webp" not in server.repos["me/faces"][-1][1], "a film of other weights was left standing"
    for name in (old, new):
        assert run(capsys, "pull", name, "--yes")[:2] == (0, name + "\n")
    assert checkpoint.digest(catalog.locate(old)) == checkpoint.digest(trained / "dcgan_avatars.safetensors")
    assert checkpoint.digest(catalog.locate(new)) == checkpoint.digest(again / "dcgan_avatars.safetensors")
    assert hub_cache.pin("hf:me/faces") == new
    run(capsys, "pull", old, "--yes")
    assert hub_cache.pin("hf:me/faces") == old, "without a commit, it is what was pulled last"


def test_the_card_tells_scores_use_credits_and_training_and_its_metadata_can_be_read(server, trained, capsys):
    pushed(capsys, trained)
    files = server.repos["me/faces"][-1][1]
    card = huggingface_hub.ModelCard(files["README.md"].decode())
    assert (card.data.license, card.data.library_name) == ("apache-2.0", "genstudio")
    [score] = card.data.eval_results
    assert (score.metric_type, score.metric_value) == ("precision", 0.37) and "0.35 to 0.39" in score.metric_name
    for said in (
        "| precision | 0.37 (0.35 to 0.39, n = 2000) |",
        "python -m genstudio sample hf:me/faces",
        "640 pictures seen in 10 steps, 1.5 minutes",
        "train dcgan_avatars --images 640",
        "abc1234",
        "DiceBear",
        "](dcgan_avatars.webp)",
    ):
        assert said in card.text
    config = json.loads(files["config.json"])
    assert (config["system"], config["image_shape"], config["arguments"]) == ("dcgan_avatars", [3, 64, 64], {})


def test_private_is_private_and_never_lands_in_a_public_repository(server, trained, capsys):
    """`exist_ok` would take a public repository for the private one that was asked for."""
    pushed(capsys, trained, "--private")
    assert server.private == {"me/faces"}
    server.private.clear()
    before = len(server.repos["me/faces"])
    assert "public" in refused(capsys, "push", trained / "dcgan_avatars.safetensors", "me/faces", "--private")
    assert len(server.repos["me/faces"]) == before


def test_a_push_spares_a_repository_of_something_else(server, trained, capsys):
    server.put("me/novel", {"chapter1.txt": b"It was"})
    assert "chapter1.txt" in refused(capsys, "push", trained / "dcgan_avatars.safetensors", "me/novel")
    assert len(server.repos["me/novel"]) == 1


# Asked first, and refused -----------------------------------------------------------------------------------------


def test_size_and_licence_come_before_the_first_byte(server, trained, home, capsys, monkeypatch):
    name = pushed(capsys, trained)
    server.asked.clear()
    assert "12.7 MB in all; licence: apache-2.0" in refused(capsys, "pull", name)
    assert not [a for a in server.asked if "resolve" in a] and not home.exists()
    assert "python -m genstudio pull hf:me/faces" in refused(capsys, "sample", "hf:me/faces", "--seeds", "1")

    class Terminal:
        isatty, readline = staticmethod(lambda: True), staticmethod(lambda: "y\n")

    monkeypatch.setattr("sys.stdin", Terminal)
    code, _, err = run(capsys, "sample", "hf:me/faces", "--seeds", "1", "--out", "out")
    assert code == 0 and "licence: apache-2.0" in err and "Download it? [y/N]" in err


@pytest.mark.parametrize(
    "name",
    ["", "faces", "me/", "/me/faces", "me/../faces", "../../etc", "me/f/v", "me/faces@", "me/f@../x", "mé/x", "me/.x"],
)
def test_a_wrong_name_is_refused_before_anybody_is_asked(server, capsys, name):
    assert "owner/name" in refused(capsys, "pull", name, "--yes")
    assert not server.asked
    if name:
        refused(capsys, "sample", f"hf:{name}", "--seeds", "1")
        assert not server.asked


def test_a_missing_repository_or_revision_is_one_sentence(server, trained, capsys):
    assert "there is no me/nothing on the Hub" in refused(capsys, "pull", "me/nothing", "--yes")
    pushed(capsys, trained)
    assert "no such revision" in refused(capsys, "pull", "me/faces@v9", "--yes")


WEIGHTS = "vae_mnist.safetensors"
OURS = json.dumps({"genstudio": "0.1.0", "system": "vae_mnist"}).encode()
FOREIGN = {
    "pickle": ({"config.json": OURS, "pytorch_model.bin": pickle.dumps(os.system)}, "pickled"),
    "pickle in disguise": ({"config.json": OURS, WEIGHTS: pickle.dumps(os.system)}, "safetensors file"),
    "no config": ({WEIGHTS: b"x"}, "holds no checkpoint of GenStudio"),
    "another's config": ({"config.json": b'{"model_type": "bert"}', WEIGHTS: b"x"}, "names no system"),
    "a list": ({"config.json": b'["genstudio"]', WEIGHTS: b"x"}, "names no system"),
    "not JSON": ({"config.json": b"[" * 9999, WEIGHTS: b"x"}, "names no system"),
    "unknown system": ({"config.json": OURS.replace(b"vae_mnist", b"vae_moon"), WEIGHTS: b"x"}, "vae_moon"),
    "two checkpoints": ({"config.json": OURS, WEIGHTS: b"x", "b.safetensors": b"x"}, "one .safetensors file"),
    "huge config": ({"config.json": b" " * 70_000, WEIGHTS: b"x"}, "its config.json is none"),
    "a folder": ({"config.json": OURS, "../vae.safetensors": b"x"}, "holds no checkpoint"),
    "nothing": ({}, "holds no checkpoint"),
}


@pytest.mark.parametrize("files, said", FOREIGN.values(), ids=FOREIGN)
def test_what_is_none_of_ours_is_refused_and_leaves_nothing(server, home, capsys, files, said):
    server.put("you/thing", files)
    assert said in refused(capsys, "pull", "you/thing", "--yes")
    assert not [path for path in home.rglob("*") if path.is_file()]
    assert not [asked for asked in server.asked if asked.endswith(".bin")]


def test_weights_of_another_system_than_they_say_are_refused(server, trained, home, capsys):
    files = {"config.json": OURS, WEIGHTS: b"".join(read(trained / "dcgan_avatars.safetensors", "vae_mnist"))}
    server.put("you/thing", files)
    assert "does not fit vae_mnist" in refused(capsys, "pull", "you/thing", "--yes")
    assert not [path for path in home.rglob("*") if path.is_file()]


def read(path, system):
    """The bytes of a checkpoint whose header names another system of as many letters or fewer."""
    content = path.read_bytes()
    yield content[:8]
    length = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + length].replace(b"dcgan_avatars", system.encode())
    yield header.ljust(length)
    yield content[8 + length :]


def test_another_library_and_too_large_a_file_are_refused_before_a_download(server, trained, capsys):
    pushed(capsys, trained)
    server.asked.clear()
    server.sizes = {"dcgan_avatars.safetensors": 9 * 10**9}
    assert "too large: 9.0 GB" in refused(capsys, "pull", "me/faces", "--yes")
    server.sizes, server.library = {}, "diffusers"
    assert "made for diffusers" in refused(capsys, "pull", "me/faces", "--yes")
    assert not [asked for asked in server.asked if "resolve" in asked]


def test_a_file_that_is_not_the_announced_one_is_refused(server, trained, home, capsys):
    pushed(capsys, trained)
    name, files = "dcgan_avatars.safetensors", server.repos["me/faces"][-1][1]
    offer = hub.look(hub_cache.parse("me/faces"))
    files[name] = files[name][:-1] + bytes([files[name][-1] ^ 1])
    with pytest.raises(ValueError, match="did not arrive as it was announced"):
        hub.fetch(offer)
    assert not hub_cache.pulled()


# Offline, and secrets -------------------------------------------------------------------------------------------


def test_offline_it_says_so_at_once(server, trained, capsys, monkeypatch):
    name = pushed(capsys, trained)
    run(capsys, "pull", name, "--yes")
    server.asked.clear()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in refused(capsys, "pull", "me/faces", "--yes")
    assert not server.asked
    assert run(capsys, "sample", "hf:me/faces", "--seeds", "1", "--out", "out")[0] == 0, "what is here needs no network"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)  # between two attempts
    assert "cannot be reached" in refused(capsys, "pull", "me/faces", "--yes")
    assert "cannot be reached" in refused(capsys, "push", trained / "dcgan_avatars.safetensors", "me/faces")
    assert sum(waits) < 2 * hub.SECONDS


@pytest.mark.parametrize("status", [400, 401, 403, 500])
def test_the_token_is_in_no_output_no_log_and_no_file(server, trained, tmp_path, capsys, caplog, status):
    caplog.set_level(logging.INFO)
    said = [*run(capsys, "push", trained / "dcgan_avatars.safetensors", "me/faces")]
    said += run(capsys, "pull", "me/faces", "--yes")
    server.anger = status
    said.append(refused(capsys, "pull", "me/faces@main", "--yes"))
    said.append(refused(capsys, "push", trained / "dcgan_avatars.safetensors", "me/other"))
    assert str(status) in said[-1]
    assert TOKEN not in " ".join(map(str, said)) + caplog.text
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == 4
    for content in [*(p.read_bytes() for p in written), *server.repos["me/faces"][-1][1].values()]:
        assert TOKEN.encode() not in content
