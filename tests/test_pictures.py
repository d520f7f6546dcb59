# SPDX-License-Identifier: Apache-2.0
"""What a person sees in a file: every mode and kind of file, worked out by hand."""

import pickle
import struct
import zlib
from io import BytesIO

import datasets
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, TiffImagePlugin, features

from crossmem_hf.errors import CrossmemError
from crossmem_hf.pictures import BadPictureError, as_seen, check_pictures, is_picture, not_shown, opened
from tests.data import profiles

GREYS = np.arange(256, dtype=np.uint8).reshape(16, 16)
COLOURS = np.random.default_rng(0).integers(0, 256, (6, 4, 3), dtype=np.uint8)
ALPHAS = np.random.default_rng(1).integers(0, 256, (6, 4), dtype=np.uint8)
DEEP = np.random.default_rng(2).integers(0, 65536, (6, 4), dtype=np.uint16)


def file(picture, kind="PNG", **options):
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png(pixels, depth, colour, *chunks):
    """A PNG of big-endian numbers, for what Pillow does not write."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    width = pixels.shape[1] // (3 if colour == 2 else 1)
    head = struct.pack(">IIBBBBB", width, pixels.shape[0], depth, colour, 0, 0, 0)
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def shown(picture):
    """The pixels, the same for a file, for a file as `datasets` decodes it, and for what was already seen once."""
    seen = as_seen(picture)
    assert seen.mode == "RGB"
    if isinstance(picture, bytes):
        decoded = datasets.Image().decode_example({"bytes": picture, "path": None})
        assert np.array_equal(as_seen(decoded), seen)
        assert np.array_equal(as_seen({"bytes": picture, "path": "there"}), seen)
    assert np.array_equal(as_seen(seen), seen)
    return np.asarray(seen)


def grey(values):
    return np.stack([values] * 3, -1)


def on_white(colours, alphas):
    alphas = alphas[..., None] / 255
    return np.rint(colours * alphas + 255 * (1 - alphas)).astype(np.uint8)


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "YCbCr", "HSV", "CMYK", "P"])
def test_a_plain_picture_is_pillows_own(mode):
    picture = Image.fromarray(COLOURS).convert(mode)
    assert np.array_equal(shown(picture), picture.convert("RGB"))


def test_a_picture_that_is_fine_is_not_copied():
    picture = Image.fromarray(COLOURS)
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
    colours, alphas = Image.fromarray(COLOURS), Image.fromarray(ALPHAS)
    if mode in ("LA", "La"):
        colours = colours.convert("L")
    colours.putalpha(alphas)
    return colours.convert(mode)


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "RGBA"), ("PNG", "LA"), ("TIFF", "RGBA"), ("TIFF", "LA"), ("WEBP", "RGBA")]
)
def test_what_is_see_through_is_white(kind, mode):
    picture = with_alpha(mode)
    colours = np.asarray(picture.convert("RGBA"))[..., :3]
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    assert np.array_equal(shown(file(picture, kind, **options)), on_white(colours, ALPHAS))


@pytest.mark.parametrize("mode", ["La", "RGBa", "PA"])
def test_other_kinds_of_alpha(mode):
    if mode == "PA":
        picture = Image.merge(
            "PA", [Image.fromarray(GREYS).convert("P"), Image.fromarray(GREYS)]
        )  # a palette of greys
        assert np.array_equal(shown(picture), on_white(grey(GREYS), GREYS))
        return
    picture = with_alpha(mode)  # whose colours are already multiplied
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
def test_a_colour_that_is_declared_transparent(picture, key, expected):
    assert np.array_equal(shown(file(picture, transparency=key)), grey(np.array(expected)))


@pytest.mark.parametrize(
    "stored",
    [
        png(DEEP.astype(">u2").repeat(3, 1).reshape(6, 12), 16, 2, (b"tRNS", bytes(6))),
        png(np.array([[0x1B]], np.uint8), 2, 0, (b"tRNS", b"\0\1")),
    ],
    ids=["16-bit colours", "2-bit greys"],
)
def test_a_transparent_colour_in_other_numbers_is_refused_since_pillow_has_lost_it(stored):
    with pytest.raises(BadPictureError, match="declares a colour transparent that is not one of 8 bits"):
        as_seen(stored)


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I;16L", "I;16N"])
def test_deep_greys_are_brought_to_eight_bits(mode):
    expected = grey(np.rint(DEEP / 257).astype(np.uint8))
    kind = ">u2" if mode == "I;16B" else "<u2"
    picture = Image.frombytes(mode, (4, 6), DEEP.astype(kind).tobytes())
    assert np.array_equal(shown(picture), expected)
    if mode in ("I;16", "I;16B"):
        assert np.array_equal(shown(file(picture, "TIFF")), expected)
        assert np.array_equal(shown(png(DEEP.astype(">u2"), 16, 0)), expected)


def test_the_twin_of_eight_bits_looks_the_same():
    twin = Image.fromarray(GREYS)
    deep = Image.fromarray(GREYS.astype(np.uint16) * 257)
    for stored in (file(deep), file(deep, "TIFF"), png(grey(GREYS.astype(">u2") * 257).reshape(16, 48), 16, 2)):
        assert np.array_equal(shown(stored), shown(file(twin)))
    assert np.array_equal(shown(b"P5 16 16 65535\n" + (GREYS.astype(">u2") * 257).tobytes()), grey(GREYS))


def test_a_deep_tiff_of_fewer_bits_or_that_counts_from_white():
    values = np.array([[0, 1000, 65535]], np.uint16)
    inverted = file(Image.fromarray(values), "TIFF", tiffinfo={262: 0})
    assert np.array_equal(shown(inverted), grey(np.array([[255, 251, 0]])))
    packed = bytes([0xFF, 0xF8, 0x00])  # 4095 and 2048, 12 bits each
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in ((256, 2), (257, 1), (258, 12), (259, 1), (262, 1), (273, 0), (277, 1), (278, 1), (279, 3)):
        tags[tag] = value
    stored = b"II*\0" + struct.pack("<I", 8) + tags.tobytes(8) + packed  # a strip is counted from behind the tags
    assert np.array_equal(shown(stored), grey(np.array([[255, 128]])))


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
        (file(Image.fromarray(COLOURS))[:-30], "broken|truncated|cut|not enough"),
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
    (tmp_path / "x.png").write_bytes(file(Image.fromarray(COLOURS)))
    assert np.array_equal(as_seen(tmp_path / "x.png"), COLOURS)


# colours


def test_colours_are_brought_to_srgb():
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


def test_greys_are_brought_to_srgb():
    values = np.array([[0, 10, 55, 128, 255]], np.uint8)
    expected = encoded(values / 255)
    profile = profiles.linear_grey()
    assert np.abs(shown(file(Image.fromarray(values), icc_profile=profile)) - grey(expected)).max() <= 1
    deep = Image.fromarray(values.astype(np.uint16) * 257)
    assert np.abs(shown(file(deep, icc_profile=profile)) - grey(expected)).max() <= 1
    clear = Image.fromarray(values)
    clear.putalpha(51)
    over = np.rint(0.2 * expected + 0.8 * 255).astype(int)
    assert np.abs(shown(file(clear, icc_profile=profile)) - grey(over)).max() <= 1
    keyed = shown(file(Image.fromarray(values), icc_profile=profile, transparency=55)).astype(int)
    expected[0, 2] = 255
    assert np.abs(keyed - grey(expected)).max() <= 1


def test_inks_are_brought_to_srgb():
    cyan = Image.new("CMYK", (2, 2), (255, 0, 0, 0))
    for kind in ("TIFF", "JPEG"):  # which counts ink from white, as Adobe does
        options = {"quality": 100} if kind == "JPEG" else {}
        assert np.abs(shown(file(cyan, kind, **options)).astype(int) - (0, 255, 255)).max() <= 2
        assert shown(file(cyan, kind, icc_profile=profiles.black_cyan(), **options)).max() <= 3


def test_lab_is_brought_to_srgb():
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    mild = COLOURS // 2 + 64
    picture = Image.fromarray(mild)
    there = ImageCms.profileToProfile(picture, srgb, lab, outputMode="LAB")
    there.info = {}
    assert np.abs(shown(file(there, "TIFF")).astype(int) - mild).max() <= 4  # 8 bits of Lab are coarse


@pytest.mark.parametrize(
    "profile", [b"", b"no profile", profiles.swapped()[:300], profiles.linear_grey(), profiles.black_cyan()]
)
def test_a_profile_that_is_broken_or_for_other_pixels_is_ignored(profile):
    assert np.array_equal(shown(file(Image.fromarray(COLOURS), icc_profile=profile)), COLOURS)


def test_a_profile_of_srgb_changes_nothing():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(shown(file(Image.fromarray(COLOURS), icc_profile=profile)), COLOURS)


# orientation and what else a file holds


def noted(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 7, 9])
def test_the_cameras_orientation_is_applied_once(kind, orientation):
    options = {"lossless": True} if kind == "WEBP" else {}
    stored = file(Image.fromarray(COLOURS), kind, exif=noted(orientation), **options)
    expected = {1: COLOURS, 3: COLOURS[::-1, ::-1], 6: np.rot90(COLOURS, -1), 7: np.rot90(COLOURS[:, ::-1], -1)}
    assert np.array_equal(shown(stored), expected.get(orientation, COLOURS))
    with Image.open(BytesIO(stored)) as picture:
        assert np.array_equal(as_seen(picture), ImageOps.exif_transpose(picture))


def test_notes_that_cannot_be_read_turn_nothing():
    stored = file(Image.fromarray(COLOURS), "JPEG", exif=b"Exif\0\0junkjunkjunk", quality=100)
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
        assert not_shown(picture) == said
    with opened(film(kind, 1)) as picture:
        assert not_shown(picture) == ""


def test_an_opened_animation_shows_the_frame_at_which_it_stands():
    with Image.open(BytesIO(film("GIF"))) as picture:
        picture.seek(2)
        assert as_seen(picture).getpixel((0, 0)) == (160, 0, 0)


def tiff(*pages):
    """(colour, side, tags) a page."""
    buffer = BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(buffer, True) as writer:
        for colour, side, tags in pages:
            Image.new("RGB", (side, side), colour).save(writer, "TIFF", tiffinfo=tags)
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
        assert not_shown(picture) == ""


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
        assert not_shown(picture) == "the main one of 2 pictures"
    with pytest.raises(BadPictureError, match="a HEIC picture that is damaged"):
        as_seen(heic()[:60])


def test_without_the_extra_a_heic_says_what_it_needs(monkeypatch, tmp_path):
    monkeypatch.setattr("crossmem_hf.pictures._formats", lambda: ("JPEG", "PNG", "AVIF"))
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
