# SPDX-License-Identifier: Apache-2.0
from io import BytesIO

import pytest
from PIL import Image, ImageCms

from crossmem_hf.errors import CrossmemError
from crossmem_hf.importing.pictures import BadPictureError, PictureShape, check_picture, clean_picture, unwarned
from tests.data import picturing


def cleaned(source, **shape):
    return Image.open(BytesIO(clean_picture(source, PictureShape(**({"size": 32} | shape)))))


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_nothing_but_pixels_gets_through(kind):
    made = clean_picture(picturing.photo(), PictureShape(size=32, kind=kind))
    assert picturing.SECRET in picturing.photo()
    assert picturing.SECRET not in made
    picture = Image.open(BytesIO(made))
    assert (picture.mode, picture.size, picture.format) == ("RGB", (32, 32), kind.upper())
    assert not picture.getexif()
    assert not {"icc_profile", "exif", "comment", "photoshop", "xmp"} & set(picture.info)


def test_notes_of_a_png_and_its_profile_are_dropped():
    buffer, notes = BytesIO(), __import__("PIL.PngImagePlugin", fromlist=["PngInfo"]).PngInfo()
    notes.add_text("Author", picturing.SECRET.decode())
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("RGB", (40, 40), "teal").save(buffer, "PNG", pnginfo=notes, icc_profile=profile)
    picture = cleaned(buffer.getvalue())
    assert picture.info == {}
    assert picture.getpixel((5, 5)) == pytest.approx((0, 128, 128), abs=2)


def test_the_cameras_orientation_is_applied():
    upright = cleaned(picturing.photo(orientation=1, size=(64, 64)))
    turned = cleaned(picturing.photo(orientation=6, size=(64, 64)))  # the top left corner is shown at the top right
    assert upright.getpixel((2, 2))[0] > 200 > 60 > upright.getpixel((29, 2))[0]
    assert turned.getpixel((29, 2))[0] > 200 > 60 > turned.getpixel((2, 2))[0]


def test_crop_keeps_the_middle_and_pad_keeps_all():
    wide = Image.new("RGB", (90, 30), "blue")
    wide.paste("green", (30, 0, 60, 30))
    buffer = BytesIO()
    wide.save(buffer, "PNG")
    crop, pad = cleaned(buffer.getvalue()), cleaned(buffer.getvalue(), fit="pad")
    assert all(crop.getpixel((x, 16)) == pytest.approx((0, 128, 0), abs=2) for x in (2, 16, 29))
    assert pad.getpixel((16, 2)) == (255, 255, 255)
    assert pad.getpixel((2, 16)) == (0, 0, 255)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1", "I;16", "CMYK"])
def test_every_usual_mode_becomes_rgb(mode):
    kind = "TIFF" if mode == "CMYK" else "PNG"
    source = picturing.painting(0, kind=kind, mode=mode)
    picture = cleaned(source)
    assert picture.mode == "RGB"
    seen_through = mode in ("RGBA", "LA", "CMYK")  # no alpha, and no ink, are white
    assert picture.getpixel((9, 9)) == ((255, 255, 255) if seen_through else (0, 0, 0))


def test_the_same_picture_gives_the_same_bytes():
    assert clean_picture(picturing.photo(), PictureShape()) == clean_picture(picturing.photo(), PictureShape())


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (b"", "no JPEG, PNG"),
        (b"GIF89a" + bytes(50), "no JPEG, PNG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no JPEG, PNG"),
        (picturing.bomb(), "decompression bomb"),
        (picturing.bomb(10_000), "it has 10,000 x 10,000 pixels; expected at most 89,478,485"),
        (picturing.pages(), "2 pages"),
        (picturing.painting(7, kind="TIFF", mode="F"), "floating-point"),
    ],
    ids=["nothing", "gif", "postscript", "bomb", "large", "pages", "float"],
)
def test_what_is_no_portrait_is_told_from_its_head(source, said):
    with pytest.raises(BadPictureError, match=said), unwarned():
        check_picture(source)
    with pytest.raises(BadPictureError, match=said), unwarned():
        clean_picture(source, PictureShape())


def test_of_several_pictures_one_is_taken_and_told():
    assert check_picture(picturing.film()) == "the first of 2 frames"
    assert cleaned(picturing.film()).getpixel((9, 9)) == (255, 0, 0)
    assert check_picture(picturing.photo()) == ""


def test_a_picture_that_is_cut_off_is_told_when_it_is_read():
    whole = picturing.photo(size=(600, 400))
    check_picture(whole[:-400])
    with pytest.raises(BadPictureError, match="truncated"):
        clean_picture(whole[:-400], PictureShape())


@pytest.mark.parametrize(
    ("shape", "said"), [({"size": 8}, "image size 8"), ({"fit": "squash"}, "squash"), ({"kind": "gif"}, "gif")]
)
def test_a_shape_that_does_not_exist(shape, said):
    with pytest.raises(CrossmemError, match=said):
        PictureShape(**shape)
