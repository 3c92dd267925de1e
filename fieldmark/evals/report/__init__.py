"""The page a run leaves behind: `report.html`, one file that needs nothing else."""

from fieldmark.evals.report.classify import write_classify_report
from fieldmark.evals.report.demo import write_demo_report

__all__ = ["write_classify_report", "write_demo_report"]
