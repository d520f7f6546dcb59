# SPDX-License-Identifier: Apache-2.0
"""The `evaluate` module around `geometry_math`. Owns the columns and their types; knows no formula."""

from typing import Any

import datasets
import evaluate

from .geometry_math import RANK_RANGE, Form, geometry_summary, spectrum_of

CITATION = """\
@inproceedings{li2025tracing,
  title = {Tracing the Representation Geometry of Language Models from Pretraining to Post-training},
  author = {Li, Melody Zixuan and Agrawal, Kumar Krishna and Ghosh, Arna and Teru, Komal Kumar and Santoro, Adam
    and Lajoie, Guillaume and Richards, Blake A.},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2025}
}
@inproceedings{garrido2023rankme,
  title = {{RankMe}: Assessing the Downstream Performance of Pretrained Self-Supervised Representations by Their Rank},
  author = {Garrido, Quentin and Balestriero, Randall and Najman, Laurent and LeCun, Yann},
  booktitle = {International Conference on Machine Learning},
  year = {2023}
}
@inproceedings{agrawal2022alphareq,
  title = {{$\\alpha$-ReQ}: Assessing Representation Quality in Self-Supervised Learning by Measuring
    Eigenspectrum Decay},
  author = {Agrawal, Kumar Krishna and Mondal, Arnab Kumar and Ghosh, Arna and Richards, Blake A.},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2022}
}
"""


class RepresentationGeometry(evaluate.Measurement):
    """How many directions a model's hidden states use (RankMe), and how fast their variances fall (alpha-ReQ).

    Args:
        predictions: list[list[float]], a hidden state a row, such as the last layer's at the last token of each text.
        form: RankMe of the "eigenvalue"s of the covariance, or of its roots, the "singular" values.
        rank_range: First and last rank, from 1, that alpha-ReQ is fitted on; None leaves it out.

    Returns:
        rankme and participation_ratio (1 to dim; higher = more directions), alpha_req (higher = falls faster, 0 =
        flat), alpha_r2 (at most 1), n (states) and dim (their width).
    """

    def _info(self) -> evaluate.MeasurementInfo:
        return evaluate.MeasurementInfo(
            description="How many directions hidden states use, and how fast their variances fall.",
            citation=CITATION,
            inputs_description=type(self).__doc__,
            features=datasets.Features({"predictions": datasets.List(datasets.Value("float64"))}),
            reference_urls=["https://arxiv.org/abs/2509.23024", "https://arxiv.org/abs/2210.02885"],
        )

    def _compute(
        self,
        predictions: list[list[float]],
        *,
        form: Form = "eigenvalue",
        rank_range: tuple[int, int] | None = RANK_RANGE,
    ) -> dict[str, Any]:
        return geometry_summary(spectrum_of(predictions), form=form, rank_range=rank_range)
