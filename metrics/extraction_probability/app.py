# SPDX-License-Identifier: Apache-2.0
"""The Space's page: evaluate's own widget around the metric, which needs gradio 3."""

import evaluate
from evaluate.utils import launch_gradio_widget

launch_gradio_widget(evaluate.load("crossmem/extraction_probability"))
