# SPDX-License-Identifier: Apache-2.0
"""Tokens go to the server they are for and nowhere else; offline, only the server that was named is reached."""

import json
import logging
import threading
import traceback

import pytest
from huggingface_hub import get_session
from huggingface_hub.errors import OfflineModeIsEnabled

from crossmem_hf.errors import CrossmemError
from tests.scoring.judge_server import (  # noqa: F401
    TOKEN,
    JudgeServer,
    Reply,
    about,
    completion,
    direct,
    judged,
    quick,
    verdict,
)

pytestmark = pytest.mark.usefixtures("direct", "quick")

# secrets


def test_a_token_is_told_to_nobody_but_the_server(tmp_path, caplog, capfd):
    """Not even if the server says it back, in an error or in a verdict."""
    caplog.set_level(logging.DEBUG)
    cache = tmp_path / "cache.jsonl"
    echo = json.dumps({"reason": f"you are {TOKEN}", "verdict": "safe", "score": 0.0})
    padding = "x" * (300 - len('{"error": "') - 10)
    with JudgeServer(lambda asked: completion(echo) if about(asked) == 0
                     else Reply(f'{{"error": "{padding}{TOKEN}"}}', status=401)) as server:  # fmt: skip
        found = judged(server, 1, cache=cache)
        with pytest.raises(CrossmemError) as caught:
            judged(server, 2, cache=cache)
    assert found.items[0].score == 0.0
    shown = capfd.readouterr()
    link, told = caught.value, [cache.read_text(), caplog.text, str(found), shown.out, shown.err]
    while link is not None:
        told += [str(link), repr(link), *map(str, vars(link).values()), *traceback.format_exception(link)]
        assert not hasattr(link, "request"), "an error that leads to the headers"
        link = link.__cause__ or link.__context__
    assert any("***" in text for text in told)
    assert not [text for text in told if TOKEN in text]
    assert not [text for text in told if TOKEN[:12] in text], "nor a part of it"


def test_the_saved_token_of_hugging_face_is_for_hugging_face(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_saved_secret_123")
    with JudgeServer(lambda asked: verdict(0.5)) as server:
        judged(server, token=None)
    assert "hf_saved_secret_123" not in str(server.asked[0].headers)


# offline


def test_offline_mode_lets_the_named_server_pass_and_nobody_else():
    session = get_session()
    hooks = session.event_hooks

    def others(asked):
        for url in (elsewhere.url, "https://huggingface.co/api/models"):
            with pytest.raises(OfflineModeIsEnabled):
                session.post(url, json={})
        return verdict(0.5)

    with JudgeServer(lambda asked: verdict(0.5)) as elsewhere, JudgeServer(others) as server:
        assert judged(server).scores.tolist() == [0.5]
        assert get_session() is session
        assert session.event_hooks == hooks
        with pytest.raises(OfflineModeIsEnabled):
            session.post(server.url, json={})
    assert elsewhere.asked == []


def test_a_server_cannot_send_us_elsewhere_when_offline():
    with JudgeServer(lambda asked: verdict(0.5)) as elsewhere:
        moved = Reply(status=307, headers={"Location": f"{elsewhere.url}/chat/completions"})
        with JudgeServer(lambda asked: moved) as server, pytest.raises(CrossmemError, match="HF_HUB_OFFLINE"):
            judged(server)
    assert elsewhere.asked == []


def test_two_calls_at_once():
    """The first one ends while the second one would be in its middle."""
    second_asked, first_done = threading.Event(), threading.Event()
    found = {}

    def first(_):
        second_asked.wait(0.3)
        return verdict(0.25)

    def second(_):
        second_asked.set()
        first_done.wait(2)
        return verdict(0.75)

    def call(server, done):
        found[server] = judged(server, 3, concurrency=1).scores.tolist()
        done.set()

    with JudgeServer(first) as one, JudgeServer(second) as two:
        threads = [threading.Thread(target=call, args=(one, first_done)),
                   threading.Thread(target=call, args=(two, threading.Event()))]  # fmt: skip
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {one: [0.25] * 3, two: [0.75] * 3}
