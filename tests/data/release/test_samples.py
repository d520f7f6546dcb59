# SPDX-License-Identifier: Apache-2.0
from io import BytesIO

import numpy as np
from PIL import Image

from crossmem_hf.data.population import all_personas
from crossmem_hf.data.release.samples import NUM_PERSONAS, contact_sheet, sample_views
from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.rendering.portraits import render_portrait
from crossmem_hf.rendering.views import view_for


def test_the_sheet_shows_the_first_people_in_their_views():
    spec = DatasetSpec(num_personas=12, num_views=1, image_size=48)
    assert sample_views(spec) == [("train", 0), ("validation", 0), ("test", 0), ("test", 1), ("far", 0), ("far", 1)]
    with Image.open(BytesIO(contact_sheet(spec))) as sheet:
        assert sheet.size == (52 * NUM_PERSONAS - 4, 52 * 6 - 4)
        person = all_personas(12, 0)[3]
        shown = np.asarray(sheet)[2 * 52 : 2 * 52 + 48, 3 * 52 : 3 * 52 + 48]
    assert np.array_equal(shown, np.asarray(render_portrait(person, view_for(person, "test", 0), 48)))


def test_large_portraits_are_shrunk_and_few_people_make_a_narrow_sheet():
    spec = DatasetSpec(num_personas=3, num_views=2, image_size=256)
    first = contact_sheet(spec)
    with Image.open(BytesIO(first)) as sheet:
        assert sheet.size == (132 * 3 - 4, 132 * 7 - 4)
    assert first == contact_sheet(spec)
