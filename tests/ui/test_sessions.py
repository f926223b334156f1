"""State of a session: which place of a drag is the newest."""

from __future__ import annotations

from types import SimpleNamespace

from genstudio.ui.sessions import MAX_SESSIONS, Drags


def event(number: int) -> SimpleNamespace:
    return SimpleNamespace(number=number)


def visitor(name: str = "one") -> SimpleNamespace:
    return SimpleNamespace(session_hash=name)


def test_a_picture_that_comes_after_a_newer_one_was_begun_is_overtaken():
    drags = Drags()
    for number in (1, 3, 2):  # requests may arrive in another order, too
        drags.begin(event(number), visitor())
    assert drags.overtaken(event(1), visitor()) and drags.overtaken(event(2), visitor())
    assert not drags.overtaken(event(3), visitor())


def test_visitors_do_not_overtake_one_another_and_a_page_that_is_drawn_anew_counts_anew():
    drags = Drags()
    drags.begin(event(9), visitor("one"))
    drags.begin(event(1), visitor("two"))
    assert not drags.overtaken(event(1), visitor("two"))
    drags.begin(event(1), visitor("one"))
    assert not drags.overtaken(event(1), visitor("one"))


def test_only_so_many_sessions_are_remembered():
    drags = Drags()
    for i in range(MAX_SESSIONS + 1):
        drags.begin(event(2), visitor(str(i)))
    assert not drags.overtaken(event(1), visitor("0")) and drags.overtaken(event(1), visitor("1"))
