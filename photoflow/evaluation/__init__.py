"""How well photoflow does beside simple ways of doing the same, on data that nobody here made.

A task a module, each with a function that compares all methods in one run and returns an `Evaluation`: `render`,
`flow`, `interpolation` and `animation`. `write_scores` keeps it as JSON, `write_report` as a page with pictures.
"""

from photoflow.evaluation.comparison import Evaluation
from photoflow.evaluation.report import write_report
from photoflow.evaluation.scores import Scores, write_scores

__all__ = ["Evaluation", "Scores", "write_report", "write_scores"]
