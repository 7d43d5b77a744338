"""The wheel, as a user gets it: built from a clean copy, installed where there is no Node."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from wk_jupyter import __version__

ROOT = Path(__file__).resolve().parents[1]
STATIC = "wk_jupyter/widgets/static"

pytestmark = pytest.mark.timeout(900)


def run(*command: str | Path, path: str | None = None, home: Path | None = None) -> str:
    """Run a command to its end and return its output; ``path`` and ``home`` replace the environment's."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "WK_", "PYTHON"))}
    environment.pop("HATCH_JUPYTER_BUILDER_SKIP_NPM", None)
    if path is not None:
        environment["PATH"] = path
    if home is not None:
        environment |= {"HOME": str(home), "XDG_CONFIG_HOME": str(home), "XDG_DATA_HOME": str(home)}
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        env=environment,
        cwd=home,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def without_node() -> str:
    """A PATH with Python's own programs and nothing else."""
    path = str(Path(sys.executable).parent)
    assert shutil.which("node", path=path) is None
    assert shutil.which("npm", path=path) is None
    return path


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, made of the files under version control: nothing built before gets in."""
    copy = tmp_path_factory.mktemp("copy")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    assert not (copy / STATIC).exists()
    run(sys.executable, "-m", "build", "--sdist", "--outdir", copy / "dist", copy)
    (built,) = (copy / "dist").glob("*.tar.gz")
    return built


@pytest.fixture(scope="module")
def wheel(sdist: Path, without_node: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made of the source distribution on a machine without Node."""
    source = tmp_path_factory.mktemp("source")
    with tarfile.open(sdist) as packed:
        packed.extractall(source, filter="data")
    (folder,) = source.iterdir()
    run(sys.executable, "-m", "build", "--wheel", "--outdir", source, folder, path=without_node)
    (built,) = source.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, without_node: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new virtual environment with the wheel and what it depends on; returns its ``bin``."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    run(sys.executable, "-m", "venv", folder)
    run(folder / "bin/python", "-m", "pip", "install", "--quiet", wheel, path=without_node)
    return folder / "bin"


def test_the_wheel_holds_code_migrations_javascript_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"wk_jupyter", f"wk_jupyter-{__version__}.data", f"wk_jupyter-{__version__}.dist-info"}
    assert {
        "wk_jupyter/__init__.py",
        "wk_jupyter/py.typed",
        "wk_jupyter/cli.py",
        "wk_jupyter/samples/em.py",
        "wk_jupyter/store/catalog/migrations/env.py",
        f"{STATIC}/loader.js",
        f"{STATIC}/manifest.json",
        f"{STATIC}/THIRD-PARTY-LICENSES.txt",
    } <= set(names)
    assert any("/migrations/versions/" in name for name in names)
    assert any(name.startswith(f"{STATIC}/app/") and name.endswith(".js") for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    unwanted = ("test", "node_modules", "notebooks", "benchmarks", ".ts", ".pyc")
    assert [name for name in names if any(part in name for part in unwanted)] == []


def test_the_wheel_tells_whose_code_it_contains(wheel: Path) -> None:
    text = zipfile.ZipFile(wheel).read(f"{STATIC}/THIRD-PARTY-LICENSES.txt").decode()
    for needed in ("zstddec", "Don McCurdy", "For Zstandard software", "THIS SOFTWARE IS PROVIDED"):
        assert needed in text


def test_the_wheel_enables_the_server_extension(wheel: Path) -> None:
    packed = zipfile.ZipFile(wheel)
    (name,) = (n for n in packed.namelist() if n.endswith("jupyter_server_config.d/wk_jupyter.json"))
    assert "/data/etc/jupyter/" in name
    assert json.loads(packed.read(name))["ServerApp"]["jpserver_extensions"] == {"wk_jupyter": True}


def test_the_source_distribution_holds_what_is_built_and_what_builds_it(sdist: Path) -> None:
    with tarfile.open(sdist) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    assert {f"{STATIC}/loader.js", "js/package.json", "js/package-lock.json", "LICENSE", "Makefile"} <= names
    assert any(name.startswith("js/src/") for name in names)
    assert not any("node_modules" in name for name in names)


def test_jupyter_finds_the_extension_enabled_and_whole(installed: Path, tmp_path: Path) -> None:
    told = run(installed / "jupyter", "server", "extension", "list", path=str(installed), home=tmp_path)
    plain = re.sub(r"\x1b\[\d+m", "", told)
    lines = [line.strip() for line in plain.splitlines() if "wk_jupyter" in line]
    assert any("enabled" in line for line in lines), told
    assert any(line.endswith("OK") and __version__ in line for line in lines), told


def test_the_installed_package_works(installed: Path, tmp_path: Path) -> None:
    told = run(installed / "python", "-c", "import wk_jupyter as wk; print(wk.__version__)", home=tmp_path)
    assert told.strip() == __version__
    data = tmp_path / "data"
    command = (installed / "wk-jupyter", "sample", "--data-dir", data, "--shape", "64", "64", "32")
    run(*command, path=str(installed), home=tmp_path)
    scanned = run(installed / "wk-jupyter", "scan", "--data-dir", data, path=str(installed), home=tmp_path)
    assert scanned.startswith("1 datasets")
    reading = (
        "import sys, wk_jupyter as wk\n"
        "ds = wk.open(sys.argv[1])\n"
        "print(ds.layers['segmentation'].read(mag='8-8-4').shape)"
    )
    folder = data / "binaryData" / "default" / "sample_tissue"
    assert run(installed / "python", "-c", reading, folder, home=tmp_path).strip() == "(8, 8, 8)"
