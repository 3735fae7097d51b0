"""Evaluation of photoflow against simple baselines, on real data.

Each task is a module with a function that compares all methods in one run and returns an `Evaluation`: `render`,
`flow`, `interpolation`, `animation`, `completion`, `dynamics` and `portraits`. `write_scores` writes it as JSON,
`write_report` as a page with pictures.
"""

from photoflow.evaluation.comparison import Evaluation
from photoflow.evaluation.report import write_report
from photoflow.evaluation.scores import Scores, write_scores

__all__ = ["Evaluation", "Scores", "write_report", "write_scores"]
