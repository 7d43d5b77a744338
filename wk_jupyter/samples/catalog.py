"""The public sample datasets that WEBKNOSSOS offers, by name."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

from wk_jupyter.errors import DatasetNotFound
from wk_jupyter.geometry import VoxelSize

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Sample:
    """A dataset to download: a zip of one dataset folder.

    ``megabytes`` is the published size of the zip, rounded; ``sha256`` its checksum, where it is known;
    ``voxel_size`` is for the reader, the dataset's own properties decide.
    """

    name: str
    url: str
    megabytes: int
    shows: str
    citation: str
    doi: str
    voxel_size: VoxelSize | None = None
    sha256: str | None = None


SAMPLES: Final = (
    Sample(
        name="Sample_e2006_wkw",
        url="https://static.webknossos.org/data/e2006_wkw.zip",
        megabytes=120,
        shows="Mouse retina, inner plexiform layer: SBEM image and segmentation (cutout)",
        citation="M Helmstaedter, KL Briggman, S Turaga, V Jain, HS Seung, W Denk. Nature, 8 August 2013",
        doi="10.1038/nature12346",
        voxel_size=VoxelSize((16.5, 16.5, 25.0)),
    ),
    Sample(
        name="Sample_FD0144_wkw",
        url="https://static.webknossos.org/data/FD0144_wkw.zip",
        megabytes=316,
        shows="Mouse cortex with labelled axons (FluoEM): SBEM image and segmentation (cutout)",
        citation="F Drawitsch, A Karimi, KM Boergens, M Helmstaedter. eLife, 14 August 2018",
        doi="10.7554/eLife.38976",
    ),
    Sample(
        name="Sample_MPRAGE_250um",
        url="https://static.webknossos.org/data/MPRAGE_250um.zip",
        megabytes=250,
        shows="Living human brain, whole: T1-weighted MRI",
        citation="F Lüsebrink, A Sciarra, H Mattern, R Yakupov, O Speck. Scientific Data, 14 March 2017",
        doi="10.1038/sdata.2017.32",
        voxel_size=VoxelSize((250.0, 250.0, 250.0), "micrometer"),
    ),
)


def find(name: str) -> Sample:
    """The public sample of that name, in any case of letters. Raises DatasetNotFound."""
    by_name = {sample.name.lower(): sample for sample in SAMPLES}
    if name.lower() in by_name:
        return by_name[name.lower()]
    alike = difflib.get_close_matches(name.lower(), by_name, n=1, cutoff=0.4)
    meant = f"Did you mean {by_name[alike[0]].name!r}? " if alike else ""
    names = ", ".join(sample.name for sample in SAMPLES)
    raise DatasetNotFound(f"there is no public sample {name!r}.", hint=f"{meant}There are: {names}.")


_HINT = (
    "wk.samples.download(name) gets one of these; wk.samples.generate() makes a dataset without a network."
)


def as_text(samples: Iterable[Sample] = SAMPLES) -> str:
    """The samples as lines of plain text."""
    rows = [("name", "size", "shows", "doi")]
    rows += [(s.name, f"{s.megabytes} MB", s.shows, s.doi) for s in samples]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([*(line.rstrip() for line in lines), "", _HINT])


def as_html(samples: Iterable[Sample] = SAMPLES) -> str:
    """The samples as a table for a notebook."""
    head = "".join(
        f'<th style="text-align:left">{title}</th>'
        for title in ("name", "size", "shows", "voxel size", "source")
    )
    return (
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(map(_row, samples))}</tbody></table>"
        f"<p><code>wk.samples.download(name)</code> gets one of these; "
        f"<code>wk.samples.generate()</code> makes a dataset without a network.</p>"
    )


def _row(sample: Sample) -> str:
    link = f'<a href="https://doi.org/{escape(sample.doi)}" target="_blank">doi:{escape(sample.doi)}</a>'
    cells = (
        f"<code>{escape(sample.name)}</code>",
        f"{sample.megabytes} MB",
        escape(sample.shows),
        escape(str(sample.voxel_size)) if sample.voxel_size else "in its properties",
        f"{escape(sample.citation)}. {link}",
    )
    return "<tr>" + "".join(f'<td style="text-align:left">{cell}</td>' for cell in cells) + "</tr>"
