"""Readers are found by their names, and the libraries of others are left alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

from wk_jupyter.errors import InvalidInput
from wk_jupyter.store.readers import reader_named, readers


def test_each_reader_is_found_by_its_name() -> None:
    for reader in readers():
        assert reader_named(reader.name) is reader


def test_a_name_that_is_none_is_told() -> None:
    with pytest.raises(InvalidInput, match="no reader called 'xyz'"):
        reader_named("xyz")


def test_a_worker_that_reads_sections_loads_no_other_formats_library() -> None:
    code = (
        "import sys; from wk_jupyter.store.readers import reader_named; "
        "reader_named('tiff'); reader_named('sequence'); "
        "print({'h5py', 'pydicom', 'PIL'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
