# SPDX-License-Identifier: Apache-2.0
"""The table of what bases can do, of those that were taught facts."""

import json

from crossmem_hf.models.embedded import BASES, bases
from crossmem_hf.report.quality_table import quality_table


def test_each_base_with_facts_has_a_column_and_each_family_its_rows():
    every = {name: json.loads((BASES[name] / "quality.json").read_text()) for name in bases()}
    table = quality_table({**every, "no-facts": {}})
    assert table.heads[1:] == tuple(f"`{name}`" for name in every if "facts_one_hop_image" in every[name])
    assert len(table.rows) == 2 * 7
    by_name = dict(zip((row[0] for row in table.rows), (row[1] for row in table.rows), strict=True))
    first = every[table.heads[1].strip("`")]
    shares = [round(100 * first[f"attributes_{one}_far"]["value"]) for one in ("image", "text")]
    assert by_name["visual attributes named, far"] == " / ".join(map(str, shares))
