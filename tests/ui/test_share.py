"""A link says where it opens: on this machine, or in its network."""

from __future__ import annotations

import pytest

from genstudio.ui import share
from genstudio.ui.share import network_host


@pytest.fixture(autouse=True)
def anew():
    network_host.cache_clear()
    yield
    network_host.cache_clear()


@pytest.mark.parametrize("name", [None, "127.0.0.1", "studio.example"])
def test_a_server_of_this_machine_alone_names_no_host_in_the_network(monkeypatch, name):
    monkeypatch.setenv("GRADIO_SERVER_NAME", name) if name else monkeypatch.delenv("GRADIO_SERVER_NAME", raising=False)
    assert network_host() == ""


def test_a_server_for_the_network_names_this_machine(monkeypatch):
    monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")

    class Probe:
        def __init__(self, *kind):
            pass

        __enter__ = lambda self: self  # noqa: E731
        __exit__ = lambda self, *error: None  # noqa: E731
        connect = lambda self, address: None  # noqa: E731

        def getsockname(self):
            return "192.168.1.7", 4711

    monkeypatch.setattr(share.socket, "socket", Probe)
    assert network_host() == "192.168.1.7"


def test_without_a_network_the_link_is_as_it_is(monkeypatch):
    monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")

    def broken(*kind):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(share.socket, "socket", broken)
    assert network_host() == ""
