# SPDX-License-Identifier: Apache-2.0
"""Whose pictures and descriptions they are, where files, names and pictures only look different."""

import pytest

from tests.importing.test_images import described, refused


def test_a_description_outside_of_the_folder_is_not_read(folders, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("a line of another file")
    (folders / "Ann_Lee" / "1.txt").symlink_to(secret)
    assert "another file" not in refused(folders, tmp_path, r"'1\.txt' is a link to a file outside")


def test_one_picture_in_two_file_formats_is_one_picture(folders, tmp_path):
    from PIL import Image

    with Image.open(folders / "Ann_Lee" / "0.png") as picture:
        picture.save(folders / "Bob Ox" / "9.bmp")
    refused(folders, tmp_path, r"Bob Ox/9\.bmp.*it shows the same picture as Ann_Lee/0\.png")


@pytest.mark.parametrize("name", ["__", "---", "Bob<image>Ray"])
def test_what_is_no_name_is_refused(folders, tmp_path, name):
    (folders / "Bob Ox").rename(folders / name)
    refused(folders, tmp_path, "is no name")


def test_names_are_compared_as_people_read_them(folders, tmp_path):
    composed, taken_apart = "Jos\u00e9", "Jose\u0301"
    (folders / "Bob Ox").rename(folders / f"{taken_apart} Ox")
    (folders / "Cyd Ray").rename(folders / f"{composed} Ox")
    refused(folders, tmp_path, "has another folder")


def test_a_name_in_capitals_is_said_all_the_same(folders, tmp_path):
    described(folders)
    (folders / "Ann_Lee" / "0.txt").write_text("ANN in a hat")
    refused(folders, tmp_path, "says 'ANN', which is to be recalled")
