# SPDX-License-Identifier: Apache-2.0
"""The figure of unlearning along its steps, from planted numbers."""

from crossmem_hf.report.curve_figure import curve_figure
from crossmem_hf.report.style import MODALITY_COLORS
from tests.report.test_record import measurement, record

STEPS = {15: 80.0, 60: 20.0}


def along(method="npo", through="both"):
    """Exposure of the forgotten falls along the steps, recall of the retained stays, in both modalities."""
    own = {"method": method, "forget_modality": through}
    found = []
    for target in ("image", "text"):
        for step, value in STEPS.items():
            place = {**own, "step": step, "target": target}
            found += [
                measurement(
                    "exposure", where=place | {"group": "forget"}, value=value, ci=(value - 5, value + 5), unit="0-100"
                ),
                measurement("recall", where=place | {"group": "retain"}, value=0.9, ci=(0.8, 1.0)),
            ]
    return found


def baselines():
    return [
        measurement(
            "exposure", where={"method": name, "group": "forget", "target": target}, value=value, ci=None, unit="0-100"
        )
        for name, value in (("memorized", 100.0), ("retain_only", 22.0))
        for target in ("image", "text")
    ]


def test_curves_begin_at_the_memorized_model_and_follow_the_steps():
    (ax,) = curve_figure(record(*along(), *baselines())).axes
    curves = {line.get_color(): line for line in ax.lines if line.get_marker() in ("o", "s")}
    for color in MODALITY_COLORS.values():
        assert list(curves[color].get_xdata()) == [0, 15, 60]
        assert list(curves[color].get_ydata()) == [100.0, 80.0, 20.0]
    retained = [line for line in ax.lines if list(line.get_ydata()) == [90.0, 90.0]]
    assert len(retained) == 2
    assert [line.get_ydata()[0] for line in ax.lines].count(22.0) == 2, "the retain-only model, one line a modality"


def test_there_is_a_panel_for_each_method_and_modality():
    found = [*along(), *along(through="image"), *along(method="gd")]
    assert len(curve_figure(record(*found)).axes) == 2 * 2
    assert len(curve_figure(record(*found), narrow=True).axes) == 2 * 2


def test_without_steps_there_is_no_figure():
    assert curve_figure(record(*baselines())) is None
