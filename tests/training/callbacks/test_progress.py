# SPDX-License-Identifier: Apache-2.0
"""Progress of a training as a part of a job."""

from types import SimpleNamespace

from crossmem_hf.training.callbacks.progress import ReportProgress


def test_steps_become_a_share_of_the_job():
    reported = []
    callback = ReportProgress(lambda step, share: reported.append((step, share)), "unlearning", 0.6, 0.8)
    for step in (0, 5, 10):
        callback.on_step_end(None, SimpleNamespace(global_step=step, max_steps=10), None)
    assert reported == [("unlearning 0/10", 0.6), ("unlearning 5/10", 0.7), ("unlearning 10/10", 0.8)]
