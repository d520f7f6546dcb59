# SPDX-License-Identifier: Apache-2.0
"""What pixels of every mode become, worked out by hand."""

import struct

import numpy as np
import pytest
from PIL import Image, ImageCms, TiffImagePlugin

from crossmem_hf.pictures.reading import BadPictureError, as_seen
from tests.data import profiles
from tests.data.seeing import ALPHAS, COLORS, DEEP, GRAYS, file, gray, on_white, png, shown


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "YCbCr", "HSV", "CMYK", "P"])
def test_a_plain_picture_is_pillows_own(mode):
    picture = Image.fromarray(COLORS).convert(mode)
    assert np.array_equal(shown(picture), picture.convert("RGB"))


def test_a_picture_that_is_fine_is_not_copied():
    picture = Image.fromarray(COLORS)
    assert as_seen(picture) is picture


def test_a_palette_decides_and_not_its_numbers():
    numbers = Image.new("P", (4, 4), 1)
    red, blue = numbers.copy(), numbers.copy()
    red.putpalette([0, 0, 0, 255, 0, 0])
    blue.putpalette([0, 0, 0, 0, 0, 255])
    assert (shown(file(red)) == (255, 0, 0)).all()
    assert (shown(file(blue)) == (0, 0, 255)).all()
    assert red.tobytes() == blue.tobytes()


def with_alpha(mode):
    colors, alphas = Image.fromarray(COLORS), Image.fromarray(ALPHAS)
    if mode in ("LA", "La"):
        colors = colors.convert("L")
    colors.putalpha(alphas)
    return colors.convert(mode)


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "RGBA"), ("PNG", "LA"), ("TIFF", "RGBA"), ("TIFF", "LA"), ("WEBP", "RGBA")]
)
def test_what_is_see_through_is_white(kind, mode):
    picture = with_alpha(mode)
    colors = np.asarray(picture.convert("RGBA"))[..., :3]
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    assert np.array_equal(shown(file(picture, kind, **options)), on_white(colors, ALPHAS))


@pytest.mark.parametrize("mode", ["La", "RGBa", "PA"])
def test_other_kinds_of_alpha(mode):
    if mode == "PA":
        picture = Image.merge(
            "PA", [Image.fromarray(GRAYS).convert("P"), Image.fromarray(GRAYS)]
        )  # a palette of grays
        assert np.array_equal(shown(picture), on_white(gray(GRAYS), GRAYS))
        return
    picture = with_alpha(mode)  # whose colors are already multiplied
    ready = np.asarray(picture).astype(int)
    ready = ready[..., [0, 0, 0]] if mode == "La" else ready[..., :3]
    assert np.abs(shown(picture) - (ready + 255 - ALPHAS[..., None])).max() <= 1  # Pillow divides it again


@pytest.mark.parametrize("alphas", [b"\x00\xff", b"\x80\xff", b"\xff\x40"])
def test_alphas_of_a_palette(alphas):
    picture = Image.fromarray(np.array([[0, 1]], np.uint8), "L")
    picture = picture.convert("P")
    picture.putpalette([10, 20, 30, 200, 100, 0])
    expected = on_white(np.array([[[10, 20, 30], [200, 100, 0]]]), np.frombuffer(alphas, np.uint8)[None])
    stored = file(picture, transparency=alphas)
    assert np.array_equal(shown(stored), expected)
    before = picture.tobytes()
    assert np.array_equal(as_seen(picture), [[[10, 20, 30], [200, 100, 0]]])  # the file's alphas are not the object's
    assert picture.tobytes() == before
    one = file(picture, "GIF", transparency=1)
    assert shown(one).tolist() == [[[10, 20, 30], [255, 255, 255]]]
    rgba = Image.fromarray(np.array([[[9, 8, 7, 100]]], np.uint8)).quantize(2)
    assert rgba.palette.mode == "RGBA"
    assert np.array_equal(shown(rgba), on_white(np.array([[[9, 8, 7]]]), np.array([[100]])))


@pytest.mark.parametrize(
    ("picture", "key", "expected"),
    [
        (Image.fromarray(np.array([[7, 8]], np.uint8)), 8, [[7, 255]]),
        (Image.fromarray(np.array([[False, True]])), 0, [[255, 255]]),
        (Image.fromarray(np.array([[257, 258]], np.uint16)), 258, [[1, 255]]),
        (Image.fromarray(np.array([[[1, 2, 3], [4, 4, 4]]], np.uint8)), (1, 2, 3), [[255, 4]]),
    ],
    ids=["L", "1", "I;16", "RGB"],
)
def test_a_color_that_is_declared_transparent(picture, key, expected):
    assert np.array_equal(shown(file(picture, transparency=key)), gray(np.array(expected)))


@pytest.mark.parametrize(
    "stored",
    [
        png(DEEP.astype(">u2").repeat(3, 1).reshape(6, 12), 16, 2, (b"tRNS", bytes(6))),
        png(np.array([[0x1B]], np.uint8), 2, 0, (b"tRNS", b"\0\1")),
    ],
    ids=["16-bit colors", "2-bit grays"],
)
def test_a_transparent_color_that_pillow_has_lost_is_refused(stored):
    with pytest.raises(BadPictureError, match="declares a color transparent that is not one of 8 bits"):
        as_seen(stored)


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I;16L", "I;16N"])
def test_deep_grays_are_brought_to_eight_bits(mode):
    expected = gray(np.rint(DEEP / 257).astype(np.uint8))
    kind = ">u2" if mode == "I;16B" else "<u2"
    picture = Image.frombytes(mode, (4, 6), DEEP.astype(kind).tobytes())
    assert np.array_equal(shown(picture), expected)
    if mode in ("I;16", "I;16B"):
        assert np.array_equal(shown(file(picture, "TIFF")), expected)
        assert np.array_equal(shown(png(DEEP.astype(">u2"), 16, 0)), expected)


def test_the_twin_of_eight_bits_looks_the_same():
    twin = Image.fromarray(GRAYS)
    deep = Image.fromarray(GRAYS.astype(np.uint16) * 257)
    for stored in (file(deep), file(deep, "TIFF"), png(gray(GRAYS.astype(">u2") * 257).reshape(16, 48), 16, 2)):
        assert np.array_equal(shown(stored), shown(file(twin)))
    assert np.array_equal(shown(b"P5 16 16 65535\n" + (GRAYS.astype(">u2") * 257).tobytes()), gray(GRAYS))


def test_a_deep_tiff_of_fewer_bits_or_that_counts_from_white():
    values = np.array([[0, 1000, 65535]], np.uint16)
    inverted = file(Image.fromarray(values), "TIFF", tiffinfo={262: 0})
    assert np.array_equal(shown(inverted), gray(np.array([[255, 251, 0]])))
    packed = bytes([0xFF, 0xF8, 0x00])  # 4095 and 2048, 12 bits each
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in ((256, 2), (257, 1), (258, 12), (259, 1), (262, 1), (273, 0), (277, 1), (278, 1), (279, 3)):
        tags[tag] = value
    stored = b"II*\0" + struct.pack("<I", 8) + tags.tobytes(8) + packed  # a strip is counted from behind the tags
    assert np.array_equal(shown(stored), gray(np.array([[255, 128]])))


# colors


def test_colors_are_brought_to_srgb():
    red = Image.new("RGB", (2, 2), "red")
    for kind in ("PNG", "TIFF"):
        assert np.abs(shown(file(red, kind, icc_profile=profiles.swapped())).astype(int) - (0, 0, 255)).max() <= 1
    clear = Image.new("RGBA", (2, 2), (255, 0, 0, 51))
    seen = shown(file(clear, icc_profile=profiles.swapped())).astype(int)
    assert np.abs(seen - (204, 204, 255)).max() <= 1
    palette = red.convert("P", palette=Image.Palette.ADAPTIVE)
    assert np.abs(shown(file(palette, icc_profile=profiles.swapped())).astype(int) - (0, 0, 255)).max() <= 1


def encoded(light):
    """sRGB's own curve."""
    return np.rint(255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)).astype(int)


def test_grays_are_brought_to_srgb():
    values = np.array([[0, 10, 55, 128, 255]], np.uint8)
    expected = encoded(values / 255)
    profile = profiles.linear_gray()
    assert np.abs(shown(file(Image.fromarray(values), icc_profile=profile)) - gray(expected)).max() <= 1
    deep = Image.fromarray(values.astype(np.uint16) * 257)
    assert np.abs(shown(file(deep, icc_profile=profile)) - gray(expected)).max() <= 1
    clear = Image.fromarray(values)
    clear.putalpha(51)
    over = np.rint(0.2 * expected + 0.8 * 255).astype(int)
    assert np.abs(shown(file(clear, icc_profile=profile)) - gray(over)).max() <= 1
    keyed = shown(file(Image.fromarray(values), icc_profile=profile, transparency=55)).astype(int)
    expected[0, 2] = 255
    assert np.abs(keyed - gray(expected)).max() <= 1


def test_inks_are_brought_to_srgb():
    cyan = Image.new("CMYK", (2, 2), (255, 0, 0, 0))
    for kind in ("TIFF", "JPEG"):  # which counts ink from white, as Adobe does
        options = {"quality": 100} if kind == "JPEG" else {}
        assert np.abs(shown(file(cyan, kind, **options)).astype(int) - (0, 255, 255)).max() <= 2
        assert shown(file(cyan, kind, icc_profile=profiles.black_cyan(), **options)).max() <= 3


def test_lab_is_brought_to_srgb():
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    mild = COLORS // 2 + 64
    picture = Image.fromarray(mild)
    there = ImageCms.profileToProfile(picture, srgb, lab, outputMode="LAB")
    there.info = {}
    assert np.abs(shown(file(there, "TIFF")).astype(int) - mild).max() <= 4  # 8 bits of Lab are coarse


@pytest.mark.parametrize(
    "profile",
    [b"", b"no profile", profiles.swapped()[:300], profiles.linear_gray(), profiles.black_cyan()],
    ids=["empty", "none", "cut", "gray", "cmyk"],  # a profile holds the time at which it was made
)
def test_a_profile_that_is_broken_or_for_other_pixels_is_ignored(profile):
    assert np.array_equal(shown(file(Image.fromarray(COLORS), icc_profile=profile)), COLORS)


def test_a_profile_of_srgb_changes_nothing():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(shown(file(Image.fromarray(COLORS), icc_profile=profile)), COLORS)
