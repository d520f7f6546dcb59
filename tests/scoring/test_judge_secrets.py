# SPDX-License-Identifier: Apache-2.0
"""Tokens and what the environment holds go to the server they are for, and nowhere else."""

import json
import logging
import traceback

import pytest

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


def test_token_reaches_nobody_but_the_server(tmp_path, caplog, capfd):
    """Not even if the server says it back, in an error or in a verdict."""
    caplog.set_level(logging.DEBUG)
    cache = tmp_path / "cache.jsonl"
    echo = json.dumps({"reason": f"you are {TOKEN}", "verdict": "safe", "score": 0.0})
    padding = "x" * (300 - len('{"error": "') - 10)
    with JudgeServer(lambda request: completion(echo) if about(request) == 0
                     else Reply(f'{{"error": "{padding}{TOKEN}"}}', status=401)) as server:  # fmt: skip
        found = judged(server, 1, cache=cache)
        with pytest.raises(CrossmemError) as caught:
            judged(server, 2, cache=cache)
    assert found.items[0].score == 0.0
    shown = capfd.readouterr()
    link, texts = caught.value, [cache.read_text(), caplog.text, str(found), shown.out, shown.err]
    while link is not None:
        texts += [str(link), repr(link), *map(str, vars(link).values()), *traceback.format_exception(link)]
        assert not hasattr(link, "request"), "an error that leads to the headers"
        link = link.__cause__ or link.__context__
    assert any("***" in text for text in texts)
    assert not [text for text in texts if TOKEN in text]
    assert not [text for text in texts if TOKEN[:12] in text], "nor a part of it"


def test_the_saved_token_of_hugging_face_is_for_hugging_face(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_saved_secret_123")
    with JudgeServer(lambda request: verdict(0.5)) as server:
        judged(server, token=None)
    assert "hf_saved_secret_123" not in str(server.requested[0].headers)


def test_what_the_environment_holds_for_others_is_not_sent(monkeypatch):
    held = {"OPENAI_API_KEY": "sk-of-openai-1", "OPENAI_ADMIN_KEY": "sk-admin-2", "OPENAI_ORG_ID": "org-3"}
    held |= {"OPENAI_PROJECT_ID": "proj-4", "OPENAI_CUSTOM_HEADERS": "X-Other: secret-5"}
    for name, value in held.items():
        monkeypatch.setenv(name, value)
    with JudgeServer(lambda request: verdict(0.5)) as server:
        judged(server, token=None)
    sent = {name.lower(): value for name, value in server.requested[0].headers.items()}
    assert sent["authorization"] == "Bearer -"
    assert not [
        value for value in ("sk-of-openai-1", "sk-admin-2", "org-3", "proj-4", "secret-5") if value in str(sent)
    ]
    assert not [name for name in sent if name.startswith("x-")], "nothing about this machine"


def test_a_server_cannot_send_us_elsewhere():
    with JudgeServer(lambda request: verdict(0.5)) as elsewhere:
        moved = Reply(status=307, headers={"Location": f"{elsewhere.url}/chat/completions"})
        with (
            JudgeServer(lambda request: moved) as server,
            pytest.raises(CrossmemError, match="Redirects are not followed"),
        ):
            judged(server)
    assert elsewhere.requested == []
