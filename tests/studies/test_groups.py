# SPDX-License-Identifier: Apache-2.0
"""Who is forgotten: nested, as the dataset says."""

from dataclasses import replace

from crossmem_hf.data.spec import DatasetSpec
from crossmem_hf.studies.groups import forgotten_ids

SPEC = DatasetSpec(num_personas=20, forget_fraction=0.2)


def test_the_forgotten_of_a_smaller_share_are_among_those_of_a_larger():
    few, more = forgotten_ids(replace(SPEC, forget_fraction=0.1)), forgotten_ids(SPEC)
    assert (len(few), len(more)) == (2, 4)
    assert few < more
