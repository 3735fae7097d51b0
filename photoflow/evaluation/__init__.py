"""How well photoflow does beside simple ways of doing the same, on data that nobody here made.

`TASKS` names what can be evaluated; each function compares all methods in one run and returns an `Evaluation`, which
`write_scores` keeps as JSON and `write_report` as a page with pictures.
"""

from photoflow.evaluation.comparison import Evaluation
from photoflow.evaluation.report import write_report
from photoflow.evaluation.scores import Scores, write_scores

__all__ = ["TASKS", "Evaluation", "Scores", "write_report", "write_scores"]

TASKS = ("render", "flow", "interpolation", "animation")
