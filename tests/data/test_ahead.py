"""Items are made one ahead, in order, and failures come in their place."""

from __future__ import annotations

import threading

import pytest

from diabolo.data.ahead import ahead


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_all_items_come_in_order(count):
    assert list(ahead(range(count))) == list(range(count))


def test_the_next_item_is_made_while_this_one_is_used_and_no_more():
    made = [threading.Event() for _ in range(4)]

    def items():
        for event in made:
            event.set()
            yield event

    for i, _ in enumerate(ahead(items())):
        if i + 1 < len(made):
            assert made[i + 1].wait(10)  # without asking for it
        assert not any(event.is_set() for event in made[i + 2 :])


def test_failures_come_in_their_place():
    def items():
        yield 1
        raise ValueError("broken")

    seen = []
    with pytest.raises(ValueError, match="broken"):
        for item in ahead(items()):
            seen.append(item)
    assert seen == [1]


def test_what_is_left_early_is_closed():
    closed = threading.Event()

    def items():
        try:
            yield from range(5)
        finally:
            closed.set()

    for item in ahead(items()):
        if item == 1:
            break
    assert closed.wait(10)
