# SPDX-License-Identifier: Apache-2.0
"""A number is written with a precision that suits it."""

from crossmem_hf.report.numbers import amount, interval, significant


def test_amount_has_a_precision_that_suits_it(make_measurement):
    gap = {"metric": "gap", "chance": 0.0}
    assert amount(make_measurement(value=-0.123, ci=(-0.2, 0.0), **gap)) == "−12 points"
    assert amount(make_measurement(value=-0.001, ci=(-0.2, 0.0), **gap)) == "0 points"
    assert amount(make_measurement(metric="exposure", unit="0-100", value=61.4, ci=(50, 70))) == "61"
    assert amount(make_measurement(metric="transfer", unit="ratio")) == "0.5"
    assert interval(make_measurement()).replace("\u00a0", " ") == "40 to 60"
    assert interval(make_measurement(ci=None)) == ""
    assert interval(make_measurement(unit="bits", value=1.5, ci=(-0.25, 2))) == "-0.25\u00a0to\u00a02"
    assert [significant(number) for number in (0.0, 1234.5, 2e-6)] == ["0", "1.23e+03", "2e-06"]
