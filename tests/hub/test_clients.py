# SPDX-License-Identifier: Apache-2.0
"""huggingface_hub itself, over HTTP: whatever of it the rest of the library relies on works on the stand-in."""

import pytest

from tests.hub.accounts import READ_TOKEN

pytestmark = pytest.mark.hub

EVERYTHING = """
import json, pathlib
from huggingface_hub import HfApi, HfFileSystem, hf_hub_download, list_spaces, snapshot_download

api = HfApi()
repo = {"repo_id": "crossmem/personas", "repo_type": "dataset"}
api.create_repo(**repo)
api.create_repo(**repo, exist_ok=True)
folder = pathlib.Path("upload")
(folder / "qa").mkdir(parents=True)
(folder / "qa" / "a.parquet").write_bytes(b"PAR1" * 1000)
(folder / "empty.txt").write_text("")
(folder / "README.md").write_text("---\\nlicense: mit\\ntags:\\n- metric\\n---\\nhello")
first = api.upload_folder(folder_path=folder, delete_patterns=["*.parquet"], **repo)
again = api.upload_folder(folder_path=folder, delete_patterns=["*.parquet"], **repo)
pull = api.upload_file(path_or_fileobj=b"x", path_in_repo="x/y.txt", create_pr=True, **repo)
api.create_tag(tag="v1", **repo)
api.create_branch(branch="dev", **repo)
refs = api.list_repo_refs(include_pull_requests=True, **repo)
before = api.file_exists(filename="x/y.txt", **repo)
api.merge_pull_request(discussion_num=pull.pr_num, **repo)
after = api.file_exists(filename="x/y.txt", **repo)
with HfFileSystem().open("datasets/crossmem/personas/qa/a.parquet") as remote:
    remote.seek(8)
    piece = remote.read(4).decode()
api.create_repo("crossmem/exposure", repo_type="space", space_sdk="gradio")
api.upload_folder(repo_id="crossmem/exposure", folder_path=folder, repo_type="space", allow_patterns="README.md")
print(json.dumps({
    "who": api.whoami()["name"],
    "same": first.oid == again.oid,
    "commits": [each.title for each in api.list_repo_commits(**repo)],
    "tree": [each.path for each in api.list_repo_tree(recursive=True, **repo)],
    "sha256": api.get_paths_info(paths=["qa/a.parquet", "qa", "no"], **repo)[0].lfs.sha256,
    "refs": [[each.name for each in kind] for kind in (refs.branches, refs.tags, refs.pull_requests)],
    "pull": [before, after],
    "piece": piece,
    "download": pathlib.Path(hf_hub_download(filename="README.md", revision="v1", **repo)).read_text()[-5:],
    "snapshot": sorted(path.name for path in pathlib.Path(snapshot_download(**repo)).iterdir()),
    "spaces": [[each.id for each in list_spaces(filter=tag)] for tag in ("metric", "other")],
}))
"""


def test_the_client_does_everything_we_ask_of_it(hub, clients):
    said = clients.python(EVERYTHING)
    assert said == {
        "who": "ada",
        "same": True,
        "commits": ["Upload x/y.txt with huggingface_hub", "Upload folder using huggingface_hub", "initial commit"],
        "tree": [".gitattributes", "README.md", "empty.txt", "qa", "qa/a.parquet", "x", "x/y.txt"],
        "sha256": "256e76dac17381f93e4da10b56094e279696dc89477b6a15955cbea7e3533f52",
        "refs": [["main", "dev"], ["v1"], ["pr/1"]],
        "pull": [False, True],
        "piece": "PAR1",
        "download": "hello",
        "snapshot": [".gitattributes", "README.md", "empty.txt", "qa", "x"],
        "spaces": [["crossmem/exposure"], []],
    }
    assert hub.count("unknown") == 0


def test_the_client_understands_a_refusal(hub, clients):
    code = """
import json
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

said = []
for call in (lambda: HfApi().repo_info("crossmem/no"), lambda: HfApi().create_repo("crossmem/new")):
    try:
        call()
    except HfHubHTTPError as error:
        said.append([type(error).__name__, error.response.status_code])
print(json.dumps(said))
"""
    assert clients.python(code, token=READ_TOKEN) == [["RepositoryNotFoundError", 404], ["HfHubHTTPError", 403]]
    assert hub.count("create", status=403) == 1
