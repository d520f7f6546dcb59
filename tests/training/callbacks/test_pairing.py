# SPDX-License-Identifier: Apache-2.0
from transformers import TrainerControl, TrainerState

from crossmem_hf.training.callbacks.pairing import NextRetainRows
from crossmem_hf.training.collate import PairedRows


def test_an_epoch_continues_the_retain_set_where_the_last_stopped():
    pairs = PairedRows(num_forget=2, num_retain=4, seed=0)
    first = [pairs[index]["retain"] for index in range(2)]
    NextRetainRows(pairs).on_epoch_begin(None, TrainerState(epoch=1.0), TrainerControl())
    second = [pairs[index]["retain"] for index in range(2)]
    assert pairs.epoch == 1
    assert sorted(first + second) == [[0], [1], [2], [3]], "one permutation of the four, over two epochs"
