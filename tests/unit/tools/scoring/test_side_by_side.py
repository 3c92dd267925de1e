"""Pieces side by side: results in order, one thread of torch in each, and nothing left changed."""

import threading

import pytest
import torch

from fieldmark.tools.scoring.side_by_side import side_by_side


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_come_in_the_order_of_the_pieces(threads):
    first_may_end = threading.Event()

    def work(piece):
        if piece == 0 and threads > 1:
            assert first_may_end.wait(30)
        first_may_end.set()
        return piece * piece

    assert list(side_by_side(work, range(20))) == [piece * piece for piece in range(20)]


def test_torch_uses_one_thread_in_a_piece_and_as_many_as_before_elsewhere(threads):
    found = list(side_by_side(lambda _: (torch.get_num_threads(), threading.get_ident()), range(9)))
    assert {number for number, _ in found} == {1}
    assert len({thread for _, thread in found}) <= threads
    assert torch.get_num_threads() == threads
    later = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [threads]


def test_pieces_run_at_the_same_time(threads):
    together = threading.Barrier(threads)
    assert len(list(side_by_side(lambda _: together.wait(30), range(threads)))) == threads


def test_an_error_comes_out_and_later_pieces_are_dropped(threads):
    begun = []

    def work(piece):
        begun.append(piece)
        if piece == 3:
            raise ValueError("piece 3")
        return piece

    with pytest.raises(ValueError, match="piece 3"):
        list(side_by_side(work, range(1000)))
    assert len(begun) < 100


def test_modes_of_the_caller_hold_in_the_pieces(threads):
    with torch.inference_mode():
        made = torch.zeros(4)
        list(side_by_side(lambda place: made[place : place + 1].add_(1), range(4)))
    assert made.tolist() == [1.0] * 4
    with torch.no_grad():
        assert not any(side_by_side(lambda _: torch.is_grad_enabled(), range(4)))
    assert all(side_by_side(lambda _: torch.is_grad_enabled(), range(4)))


def test_no_pieces(threads):
    assert list(side_by_side(lambda piece: piece, [])) == []
