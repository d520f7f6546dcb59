# SPDX-License-Identifier: Apache-2.0
from crossmem_hf.data.configs.table import SPLITS
from crossmem_hf.data.contents import personas_of, rows_of
from crossmem_hf.data.population import forgotten_ids


def test_forget_rank_selects_the_forget_set_of_any_fraction(spec):
    profiles = [
        row
        for split in SPLITS["profiles"]
        for row in rows_of("profiles", split, personas_of("profiles", split, spec), spec)
    ]
    assert sorted(row["forget_rank"] for row in profiles) == list(range(spec.num_personas))
    for fraction in (0.1, 0.2, 0.5):
        forgotten = forgotten_ids(spec, fraction)
        assert forgotten == {row["persona_id"] for row in profiles if row["forget_rank"] < len(forgotten)}
