# SPDX-License-Identifier: Apache-2.0
"""What a person sees in every kind of file, and what is refused."""

import pickle
import struct
from io import BytesIO

import datasets
import numpy as np
import pytest
from PIL import Image, ImageOps, TiffImagePlugin, features

from crossmem_hf.errors import CrossmemError
from crossmem_hf.pictures.reading import BadPictureError, as_seen, check_pictures, is_picture, opened, why_unreadable
from tests.data.seeing import COLORS, file, shown


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (Image.new("F", (2, 2)), "floating-point"),
        (Image.new("I", (2, 2)), "32-bit integers"),
        (file(Image.new("F", (2, 2)), "TIFF"), "floating-point"),
        (file(Image.new("I", (2, 2)), "TIFF"), "32-bit integers"),
        (b"Pf 1 1 -1.0\n" + struct.pack("<f", 0.5), "floating-point"),
        (b"", "it is empty"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "it is no JPEG"),
        (file(Image.fromarray(COLORS))[:-30], "broken|truncated|cut|not enough"),
    ],
)
def test_what_cannot_be_shown_says_why(picture, said):
    with pytest.raises(BadPictureError, match=f"^Row 3: A picture cannot be shown: .*({said})") as raised:
        as_seen(picture, "Row 3: A picture")
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)
    if "broken" not in said:
        with pytest.raises(BadPictureError, match=said):
            check_pictures([Image.new("L", (1, 1)), picture])


@pytest.mark.parametrize("picture", ["face.png", [[0, 0]], None, {"bytes": None, "path": None}])
def test_what_is_no_picture(picture):
    with pytest.raises(CrossmemError, match=f"A picture is a {type(picture).__name__}; expected a PIL image"):
        as_seen(picture)


def test_a_file_that_is_not_there(tmp_path):
    for missing in (tmp_path / "x.png", {"bytes": None, "path": str(tmp_path / "x.png")}):
        with pytest.raises(BadPictureError, match="No such file"):
            as_seen(missing)
    (tmp_path / "x.png").write_bytes(file(Image.fromarray(COLORS)))
    assert np.array_equal(as_seen(tmp_path / "x.png"), COLORS)


def noted(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 7, 9])
def test_the_cameras_orientation_is_applied_once(kind, orientation):
    options = {"lossless": True} if kind == "WEBP" else {}
    stored = file(Image.fromarray(COLORS), kind, exif=noted(orientation), **options)
    expected = {1: COLORS, 3: COLORS[::-1, ::-1], 6: np.rot90(COLORS, -1), 7: np.rot90(COLORS[:, ::-1], -1)}
    assert np.array_equal(shown(stored), expected.get(orientation, COLORS))
    with Image.open(BytesIO(stored)) as picture:
        assert np.array_equal(as_seen(picture), ImageOps.exif_transpose(picture))


def test_notes_that_cannot_be_read_turn_nothing():
    stored = file(Image.fromarray(COLORS), "JPEG", exif=b"Exif\0\0junkjunkjunk", quality=100)
    assert as_seen(stored).size == (4, 6)


def film(kind, count=3):
    frames = [Image.new("RGB", (8, 8), (80 * number, 0, 0)) for number in range(count)]
    return file(frames[0], kind, save_all=True, append_images=frames[1:])


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("GIF", "the first of 3 frames"),
        ("PNG", "the first of 3 frames"),
        ("WEBP", "the first of 3 frames"),
        pytest.param(
            "AVIF",
            "the first of 3 frames",
            marks=pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF"),
        ),
        ("MPO", "the main one of 3 pictures"),
    ],
)
def test_of_several_pictures_the_first_is_shown_and_the_rest_is_told(kind, said):
    assert shown(film(kind)).max() <= 2
    with opened(film(kind)) as picture:
        assert why_unreadable(picture) == said
    with opened(film(kind, 1)) as picture:
        assert why_unreadable(picture) == ""


def test_an_opened_animation_shows_the_frame_at_which_it_stands():
    with Image.open(BytesIO(film("GIF"))) as picture:
        picture.seek(2)
        assert as_seen(picture).getpixel((0, 0)) == (160, 0, 0)


def tiff(*pages):
    """(color, side, tags) a page."""
    buffer = BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(buffer, True) as writer:
        for color, side, tags in pages:
            Image.new("RGB", (side, side), color).save(writer, "TIFF", tiffinfo=tags)
            writer.newFrame()
    return buffer.getvalue()


@pytest.mark.parametrize("reduced", [{254: 1}, {255: 2}, {254: 4}])
@pytest.mark.parametrize("first", [True, False])
def test_reduced_copies_and_masks_are_no_pages(reduced, first):
    pages = [("red", 8, {}), ("blue", 2, reduced)]
    stored = tiff(*reversed(pages) if first else pages)
    assert (shown(stored) == (255, 0, 0)).all()
    assert shown(stored).shape == (8, 8, 3)
    with opened(stored) as picture:
        assert why_unreadable(picture) == ""


def test_pages_that_a_person_would_have_to_choose_from_are_refused():
    stored = tiff(("red", 8, {}), ("blue", 8, {}))
    decoded = datasets.Image().decode_example({"bytes": stored, "path": None})
    for picture in (stored, decoded):
        with pytest.raises(BadPictureError, match="it has 2 pages; expected one"):
            as_seen(picture)
    decoded.seek(1)  # chosen
    assert as_seen(decoded).getpixel((0, 0)) == (0, 0, 255)
    with pytest.raises(BadPictureError, match="a camera's raw file"):
        as_seen(tiff(("red", 8, {50706: b"\1\4\0\0"})))


# HEIC


def heic(**options):
    pillow_heif = pytest.importorskip("pillow_heif", reason="the extra heic")
    pillow_heif.register_heif_opener()
    return file(Image.new("RGB", (64, 48), (200, 40, 40)), "HEIF", **options)


def test_a_heic_shows_its_main_picture():
    seen = shown(heic(save_all=True, append_images=[Image.new("RGB", (64, 48), "blue")])).astype(int)
    assert seen.shape == (48, 64, 3)
    assert np.abs(seen - (200, 40, 40)).max() <= 6
    with opened(heic(save_all=True, append_images=[Image.new("RGB", (64, 48), "blue")])) as picture:
        assert why_unreadable(picture) == "the main one of 2 pictures"
    with pytest.raises(BadPictureError, match="a HEIC picture that is damaged"):
        as_seen(heic()[:60])


def test_without_the_extra_a_heic_says_what_it_needs(monkeypatch, tmp_path):
    monkeypatch.setattr("crossmem_hf.pictures.reading._formats", lambda: ("JPEG", "PNG", "AVIF"))
    path = tmp_path / "IMG_1.jpg"
    path.write_bytes(b"\0\0\0\x1cftypheic\0\0\0\0mif1heic" + bytes(60))
    with pytest.raises(BadPictureError, match="a HEIC picture, which needs the extra heic: pip install pillow-heif"):
        as_seen(path)
    assert is_picture(path.rename(tmp_path / "IMG_1"))


def test_what_says_that_it_is_a_picture(tmp_path):
    contents = {"a.JFIF": b"", "b": file(Image.new("L", (2, 2)), "JPEG"), "c.txt": b"Someone", "d.mov": b"\0" * 40}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    assert [is_picture(tmp_path / name) for name in contents] == [True, True, False, False]
    assert not is_picture(tmp_path)
