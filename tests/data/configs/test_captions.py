# SPDX-License-Identifier: Apache-2.0
from crossmem_hf.data.contents import personas_of, rows_of


def test_captions_of_targets_are_about_all_and_hold_no_name(spec):
    personas = personas_of("captions", "target", spec)
    names = {word for person in personas for word in person.full_name.split()}
    captions = list(rows_of("captions", "target", personas, spec))
    assert {row["persona_id"] for row in captions} == {person.id for person in personas}
    assert len(captions) == len(personas) * spec.num_views
    for row in captions:
        words = f"{row['prompt'][0]['content']} {row['completion'][0]['content']}"
        assert not [name for name in names if name in words]
