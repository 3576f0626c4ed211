"""The line: first come, first served, and no place is kept by one who has gone."""

from threading import Thread

from prefix_core.ui.waiting_line import WaitingLine


def test_places_move_up_as_others_leave() -> None:
    line = WaitingLine(2)
    first, second = line.join(), line.join()
    first.__enter__()
    second.__enter__()
    with line.join() as third, line.join() as fourth:
        assert (third.ahead, fourth.ahead) == (1, 2)
        assert not third.wait(0.01)
        first.__exit__(None, None, None)
        assert (third.ahead, fourth.ahead) == (0, 1)
        assert third.wait(0.0)
    second.__exit__(None, None, None)
    assert line.standing == []


def test_one_who_waits_is_woken_at_once() -> None:
    line, turns = WaitingLine(1), list[bool]()

    def later() -> None:
        with line.join() as place:
            turns.append(place.wait(30.0))

    with line.join():
        waiting = Thread(target=later)
        waiting.start()
        while len(line.standing) < 2:
            pass
        assert not turns
    waiting.join(10.0)
    assert turns == [True]


def test_an_error_gives_the_place_free() -> None:
    line = WaitingLine(1)
    try:
        with line.join():
            raise ValueError
    except ValueError:
        pass
    assert line.standing == []
