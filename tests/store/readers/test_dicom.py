from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from contracts.reader_contract import (
    ReaderContract,
    Written,
    read_whole,
    refusal,
    require_image,
    require_regions,
)
from numpy.typing import NDArray
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import pixel_array
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, generate_uid

from wk_jupyter.errors import CorruptData, UnsupportedFormat
from wk_jupyter.store.readers import reader_for, reader_named
from wk_jupyter.store.readers.base import Channel

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom", "ignore::DeprecationWarning:pydicom")
JPEG_LS, JPEG_2000, JPEG, LOSSLESS = (f"1.2.840.10008.1.2.4.{n}" for n in (80, 90, 50, 70))
SERIES = generate_uid()


def numbers(shape: tuple[int, ...], dtype: str = "uint16") -> NDArray[Any]:
    return (np.arange(np.prod(shape)) % 251).astype(dtype).reshape(shape)


def write(path: Path, pixels: NDArray[Any], *, syntax: str = ExplicitVRLittleEndian, **fields: Any) -> Path:
    """Write frames (frame, y, x[, sample]), or one (y, x[, sample]) of grey values."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    samples = 3 if pixels.ndim == 4 else 1
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    data.SOPInstanceUID = generate_uid()
    data.SeriesInstanceUID = SERIES
    frames = pixels if pixels.ndim > 2 else pixels[None]
    data.NumberOfFrames = len(frames)
    data.Rows, data.Columns = frames.shape[1:3]
    data.SamplesPerPixel = samples
    data.PhotometricInterpretation = "RGB" if samples == 3 else "MONOCHROME2"
    if samples == 3:
        data.PlanarConfiguration = 0
    data.BitsAllocated = data.BitsStored = pixels.dtype.itemsize * 8
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(pixels.dtype.kind == "i")
    is_big = syntax == ExplicitVRBigEndian
    packers = {
        JPEG_LS: imagecodecs.jpegls_encode,
        JPEG_2000: lambda frame: imagecodecs.jpeg2k_encode(frame, level=0, codecformat="j2k"),
        JPEG: lambda frame: imagecodecs.jpeg_encode(frame, level=100, subsampling="444"),
        LOSSLESS: imagecodecs.ljpeg_encode,
    }
    if syntax in packers:
        data.PixelData = encapsulate([packers[syntax](np.ascontiguousarray(frame)) for frame in frames])
    else:
        data.PixelData = frames.astype(frames.dtype.newbyteorder(">" if is_big else "<")).tobytes()
    data["PixelData"].VR = "OB" if syntax in packers or pixels.dtype.itemsize == 1 else "OW"
    for name, value in fields.items():
        setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)
    return path


def series(folder: Path, voxels: NDArray[Any], **fields: Any) -> list[Path]:
    """Write sections (z, y, x) in files whose names say nothing of their order, 2.5 mm apart."""
    paths = []
    for z, section in enumerate(voxels):
        place = [1.0, 2.0, 10 + 2.5 * z]
        told = {
            "ImagePositionPatient": place,
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "InstanceNumber": 99 - z,
            "PixelSpacing": [0.5, 0.25],
            "SliceThickness": 9,
            **fields,
        }
        paths.append(write(folder / f"IM{z * 7 % 10}{z}.dcm", section, **told))
    return sorted(paths)


class TestSeries(ReaderContract):
    reader = "dicom"

    def write(self, folder: Path) -> Written:
        voxels = numbers((4, 5, 7))
        return Written(series(folder, voxels), voxels[None, None])

    def test_files_that_are_not_there_are_told(self, written: Written) -> None:
        written.paths[-1].unlink()
        self.require_refusal(written)


class TestFrames(ReaderContract):
    reader = "dicom"

    def write(self, folder: Path) -> Written:
        voxels = numbers((4, 5, 7), "int16") - 100
        return Written([write(folder / "Größe.dcm", voxels)], voxels[None, None])


class TestPackedFrames(ReaderContract):
    reader = "dicom"
    tells_cuts = False  # frames of JPEG are found by their marks

    def write(self, folder: Path) -> Written:
        voxels = numbers((4, 5, 7), "uint8")
        return Written([write(folder / "Größe.dcm", voxels, syntax=JPEG_LS)], voxels[None, None])


def test_sections_are_ordered_by_their_place(tmp_path: Path) -> None:
    voxels = numbers((5, 6, 7))
    info = require_image("dicom", series(tmp_path, voxels), voxels[None, None])
    assert info.voxel_size == (2.5e5, 5e5, 2.5e6)
    assert info.notes == ()


def test_sections_without_a_place_are_ordered_by_their_numbers(tmp_path: Path) -> None:
    voxels = numbers((5, 6, 7))
    paths = series(tmp_path, voxels, ImagePositionPatient=None)
    info = require_image("dicom", paths, voxels[None, None, ::-1])
    assert "in the order of their numbers" in info.notes[0]
    assert info.voxel_size[2] == 9e6


def test_uneven_sections_are_told(tmp_path: Path) -> None:
    voxels = numbers((5, 6, 7))
    paths = series(tmp_path, voxels)
    [middle] = [path for path in paths if pydicom.dcmread(path).InstanceNumber == 97]
    middle.unlink()
    info = require_image(
        "dicom", [path for path in paths if path != middle], voxels[None, None, [0, 1, 3, 4]]
    )
    assert info.notes == ("its sections lie 2.5 to 5 mm apart; 2.5 mm is taken.",)


def test_several_points_in_time_at_each_place(tmp_path: Path) -> None:
    voxels = numbers((2, 3, 6, 7))
    paths = []
    for time in (1, 0):
        (tmp_path / str(time)).mkdir()
        paths += series(tmp_path / str(time), voxels[time], TemporalPositionIdentifier=time + 1)
    require_image("dicom", paths, voxels[:, None])


def test_each_series_is_an_image(tmp_path: Path) -> None:
    first, second = numbers((3, 6, 7)), numbers((4, 6, 7), "uint8")
    for name in "ab":
        (tmp_path / name).mkdir()
    paths = series(tmp_path / "a", first, SeriesDescription="CT")
    paths += series(tmp_path / "b", second, SeriesDescription="PET", SeriesInstanceUID=generate_uid())
    images = {image.info.name: image for image in reader_named("dicom").open(paths, {}).images}
    require_regions(images["CT"], first[None, None])
    require_regions(images["PET"], second[None, None])


@pytest.mark.parametrize(
    ("slope", "intercept", "bits", "dtype"),
    [(1, -1024, 12, "int16"), (1, -1024, 16, "int32"), (0.5, 3, 16, "float32"), (1, 0, 16, "uint16")],
)
def test_values_are_rescaled(tmp_path: Path, slope: float, intercept: float, bits: int, dtype: str) -> None:
    voxels = numbers((3, 6, 7))
    fields = {"BitsStored": bits, "WindowCenter": [40, 50], "WindowWidth": [400, 500]}
    paths = series(tmp_path, voxels, RescaleSlope=slope, RescaleIntercept=intercept, **fields)
    scaled = (voxels * np.float64(slope) + intercept).astype(dtype)
    assert require_image("dicom", paths, scaled[None, None]).channels == (Channel(window=(-160, 240)),)
    stored = require_image("dicom", paths, voxels[None, None], {"stored_values": True})
    assert bool(stored.channels) == (dtype == "uint16")


@pytest.mark.parametrize("syntax", [JPEG_LS, JPEG_2000, LOSSLESS, ExplicitVRBigEndian])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_compressions(tmp_path: Path, dtype: str, syntax: str) -> None:
    voxels = numbers((3, 16, 20), dtype)
    require_image("dicom", [write(tmp_path / "a.dcm", voxels, syntax=syntax)], voxels[None, None])


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, JPEG_2000])
def test_colours(tmp_path: Path, syntax: str) -> None:
    voxels = numbers((2, 16, 20, 3), "uint8")
    info = require_image(
        "dicom", [write(tmp_path / "a.dcm", voxels, syntax=syntax)], np.moveaxis(voxels, -1, 0)[None]
    )
    assert info.rgb


def test_frames_of_a_film_are_points_in_time(tmp_path: Path) -> None:
    voxels = numbers((3, 6, 7))
    require_image("dicom", [write(tmp_path / "a.dcm", voxels, FrameTime=33.3)], voxels[:, None, None])


def test_frames_with_places(tmp_path: Path) -> None:
    def group(**fields: Any) -> Dataset:
        found = Dataset()
        for name, value in fields.items():
            setattr(found, name, value)
        return found

    voxels = numbers((3, 6, 7))
    places = [
        group(PlanePositionSequence=Sequence([group(ImagePositionPatient=[0, 0, z])]))
        for z in (8.0, 2.0, 5.0)
    ]
    shared = group(
        PlaneOrientationSequence=Sequence([group(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]),
        PixelMeasuresSequence=Sequence([group(PixelSpacing=[0.5, 0.25], SliceThickness=1)]),
        PixelValueTransformationSequence=Sequence([group(RescaleSlope=2, RescaleIntercept=1)]),
    )
    path = write(
        tmp_path / "a.dcm",
        voxels,
        SharedFunctionalGroupsSequence=Sequence([shared]),
        PerFrameFunctionalGroupsSequence=Sequence(places),
    )
    scaled = (voxels[[1, 2, 0]] * 2 + 1).astype(np.int32)
    info = require_image("dicom", [path], scaled[None, None])
    assert info.voxel_size == (2.5e5, 5e5, 3e6)


def test_what_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    voxels = numbers((3, 6, 7))
    write(path, voxels, PhotometricInterpretation="PALETTE COLOR")
    assert isinstance(refusal("dicom", [path]), UnsupportedFormat)
    write(path, voxels, Rows=60000, Columns=60000)
    assert "a.dcm promises 3 × 60,000 × 60,000 pixels" in str(refusal("dicom", [path]))
    path.write_bytes(bytes(1000))
    error = refusal("dicom", [path])
    assert isinstance(error, CorruptData)
    assert "a.dcm is no DICOM file" in str(error)


def test_files_without_pixels_are_left_out(tmp_path: Path) -> None:
    report = Path(get_testdata_file("reportsi.dcm", download=False))
    voxels = numbers((3, 6, 7))
    info = require_image("dicom", [*series(tmp_path, voxels), report], voxels[None, None])
    assert info.notes == ("no pixels, left out: reportsi.dcm.",)
    assert isinstance(refusal("dicom", [report]), UnsupportedFormat)


REAL = [
    "CT_small.dcm", "MR_small.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "MR_small_RLE.dcm",
    "MR_small_padded.dcm", "MR_small_jp2klossless.dcm", "SC_rgb_small_odd.dcm", "SC_rgb_rle_2frame.dcm",
    "SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_small_odd_jpeg.dcm", "SC_rgb_rle_16bit.dcm", "liver_1frame.dcm",
    "SC_ybr_full_422_uncompressed.dcm", "examples_jpeg2k.dcm", "examples_ybr_color.dcm", "rtdose_1frame.dcm",
    "SC_jpeg_no_color_transform.dcm", "SC_rgb_jpeg_app14_dcmd.dcm", "693_J2KI.dcm",
]  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_real_files_are_as_pydicom_reads_them(name: str) -> None:
    found = get_testdata_file(name, download=False)
    if found is None:
        pytest.skip(f"pydicom has come without {name}")
    path = Path(found)
    assert reader_for(path).name == "dicom"
    [image] = reader_named("dicom").open([path], {"stored_values": True}).images
    voxels = read_whole(image)
    require_regions(image, voxels, 3)
    truth = pixel_array(path)
    frames = truth.reshape(-1, *truth.shape[-3 if image.info.rgb else -2 :])
    found_frames = voxels.transpose(0, 2, 3, 4, 1).reshape(frames.shape)
    tolerance = 3 if "jp" in name or "ybr" in name or "J2K" in name else 0
    assert np.abs(found_frames.astype(int) - frames.astype(int)).max() <= tolerance


@pytest.mark.parametrize("name", ["MR_truncated.dcm", "rtplan.dcm", "badVR.dcm", "no_meta.dcm"])
def test_real_files_that_are_wrong(name: str) -> None:
    path = Path(get_testdata_file(name, download=False))
    error = refusal("dicom", [path])
    assert error is not None
    assert name in str(error)
