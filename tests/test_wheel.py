# SPDX-License-Identifier: Apache-2.0
"""The package as others get it: what goes into the wheel, and (slow) that it works far from the repository."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from email.parser import Parser
from fnmatch import fnmatch
from pathlib import Path

import pytest
import typer

from crossmem_hf.cli.app import app
from crossmem_hf.cli.studies import STUDIES
from tests import sources

PYPROJECT = tomllib.loads((sources.ROOT / "pyproject.toml").read_text())
PATTERNS = PYPROJECT["tool"]["setuptools"]["package-data"]["*"]
LINKED = ("metrics", "recipes")  # top-level folders that crossmem_hf/ links to
MAX_BYTES = 60_000_000


def packaged():
    """Path inside the package -> file, of everything that the wheel must hold."""
    inside = {}
    for path in sources.files():
        top, *rest = path.parts
        if top == "crossmem_hf":
            inside["/".join(rest)] = sources.ROOT / path
        elif top in LINKED:
            inside[path.as_posix()] = sources.ROOT / path
    return inside


def unmatched(names, patterns=PATTERNS):
    """Files that setuptools would leave out, as no pattern takes them; and modules in a folder that is no package."""
    data = [name for name in names if not name.endswith(".py")]
    left = [name for name in data if not any(fnmatch(Path(name).name, pattern) for pattern in patterns)]
    modules = [name for name in names if name.endswith(".py")]
    return left + [name for name in modules if not all(part.isidentifier() for part in Path(name).parent.parts)]


def test_package_data_takes_every_file():
    assert unmatched(packaged()) == []
    assert unmatched(["report/page.html", "a-b/one.py"]) == ["report/page.html", "a-b/one.py"]


def test_package_data_has_no_idle_pattern():
    names = [Path(name).name for name in packaged()]
    idle = [pattern for pattern in PATTERNS if not any(fnmatch(name, pattern) for name in names)]
    assert idle == []


def test_linked_folders_are_links():
    for name in LINKED:
        assert (sources.ROOT / "crossmem_hf" / name).readlink() == Path("..") / name


def build(what, tree, folder):
    """The path of the ``wheel`` or ``sdist`` that setuptools makes of a folder, without a network."""
    code = f"import setuptools.build_meta as backend; print(backend.build_{what}({str(folder)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tree, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """(wheel of the tracked files, sdist, wheel of the sdist)."""
    folder = tmp_path_factory.mktemp("built")
    tree = folder / "tree"
    for path in sources.files():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(sources.ROOT / path, tree / path, follow_symlinks=False)
    for name in LINKED:
        (tree / "crossmem_hf" / name).symlink_to(Path("..") / name)
    sdist = build("sdist", tree, folder)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    (folder / "again").mkdir()
    return build("wheel", tree, folder), sdist, build("wheel", unpacked, folder / "again")


@pytest.mark.slow
def test_wheel_holds_the_package_and_nothing_else(built):
    wheel, _, again = built
    assert wheel.stat().st_size < MAX_BYTES
    with zipfile.ZipFile(wheel) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    expected = {f"crossmem_hf/{name}": path.read_bytes() for name, path in packaged().items()}
    assert {name: content for name, content in held.items() if ".dist-info/" not in name} == expected
    with zipfile.ZipFile(again) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == held
    (about,) = [Parser().parsestr(content.decode()) for name, content in held.items() if name.endswith("/METADATA")]
    project = PYPROJECT["project"]
    for field, value in {"Name": "name", "Version": "version", "Summary": "description"}.items():
        assert about[field] == project[value]
    assert about["License-Expression"] == project["license"]
    assert about.get_payload().startswith("# crossmem_hf")


@pytest.mark.slow
def test_sdist_holds_files_in_the_place_of_links(built):
    with tarfile.open(built[1]) as archive:
        members = {member.name.split("/", 1)[1]: member for member in archive if "/" in member.name}
    assert not [name for name, member in members.items() if member.issym() or member.islnk()]
    assert {f"crossmem_hf/{name}" for name in packaged()} <= members.keys()
    assert {"pyproject.toml", "README.md", "LICENSE"} <= members.keys()


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """Runs a command of an environment that has the wheel, and for all else the packages of this one."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home / "venv", with_pip=False)
    python = home / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*pip, str(built[0])], check=True, env=clean())
    where = subprocess.check_output(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True, env=clean()
    )
    # A line of a .pth file adds a folder behind the environment's own, and heeds no .pth file in it: not ours either.
    Path(where.strip(), "neighbors.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    work = home / "work"
    work.mkdir()

    def run(*words, status=0, **environment):
        program, *rest = words
        command = [str(home / "venv" / "bin" / program), *map(str, rest)]
        done = subprocess.run(command, cwd=work, env=clean() | environment, capture_output=True, text=True)
        assert done.returncode == status, f"{words}: {done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout + done.stderr

    run.work = work
    return run


def clean():
    """This environment without a way back to the repository."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"COLUMNS": "120"}


@pytest.mark.slow
def test_installed_package_is_the_wheels(installed):
    said = installed("python", "-c", "import crossmem_hf, sys; print(crossmem_hf.__file__, *sys.path, sep='\\n')")
    assert (installed.work.parent / "venv").as_posix() in said.splitlines()[0]
    assert str(sources.ROOT) not in said.splitlines()[1:]
    assert "materialize" in installed("python", "-m", "crossmem_hf", "--help")
    commands = typer.main.get_command(app)
    for name in commands.list_commands(
        commands.make_context("crossmem", ["--help-not-asked"], resilient_parsing=True)
    ):
        assert "--help" in installed("crossmem", name, "--help")


@pytest.mark.slow
def test_installed_studies_are_listed(installed):
    said = installed("crossmem", "study", "--list")
    assert all(name in said for name in STUDIES)


@pytest.mark.slow
def test_installed_run_leaves_a_record_and_a_page(installed):
    (installed.work / "small.yaml").write_text("memorize_steps: 2\nevaluate_at: 2\nnum_views: 2\n")
    small = ("--num-personas", "5", "--seeds", "1", "--config", "small.yaml", "--allow-unmemorized", "--workers", "1")
    installed("crossmem", "run", *small, "--output-dir", "run")
    record = json.loads((installed.work / "run" / "record.json").read_text())
    assert record["measurements"]
    assert list((installed.work / "run").glob("*.html"))


LOADING = """
import datasets, evaluate
rows = datasets.load_dataset("crossmem/personas", "recall_image")
print(sorted(rows), rows["train"][0]["images"][0].size)
found = evaluate.load("crossmem/exposure").compute(predictions=[[1.0, 2.0, 3.0]], references=[0])
print(f"exposure {found['exposure']:.3f}")
"""


@pytest.mark.slow
def test_installed_materialize_feeds_load_dataset_and_evaluate(installed):
    installed("crossmem", "materialize", "hub", "--num-personas", "5", "--num-views", "2")
    folder = installed.work / "hub"
    assert (folder / "crossmem" / "cross_modal_recall" / "app.py").is_file()
    code = f"import os; os.chdir({str(folder)!r})\n{LOADING}"
    said = installed("python", "-c", code, HF_HOME=str(installed.work / "home"))
    assert "(64, 64)" in said
    assert "exposure 100.000" in said


@pytest.mark.slow
def test_installed_recipe_runs_through_the_launcher(installed):
    assert "unlearn_npo_llava_7b" in installed("crossmem", "recipe", "--list")
    small = ("--num_personas", "5", "--num_views", "2", "--max_steps", "2", "--per_device_train_batch_size", "2")
    quiet = ("--disable_tqdm", "true", "--report_to", "none", "--output_dir", "sft")
    said = installed("crossmem", "recipe", "sft", "--accelerate", "cpu", "--", *small, *quiet)
    assert said.startswith("accelerate launch --quiet --config_file ")
    assert (installed.work / "sft" / "adapter_model.safetensors").is_file()
