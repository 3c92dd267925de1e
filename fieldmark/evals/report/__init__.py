"""The pages a run leaves behind, each one file that needs nothing else: its report, the images to label.

Each writer is imported on first use: the demo's needs statistics that a classification's does not.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fieldmark.evals.report.ask import write_ask_page
    from fieldmark.evals.report.classify import write_classify_report
    from fieldmark.evals.report.demo import write_demo_report
    from fieldmark.evals.report.optimize import write_optimize_report
    from fieldmark.evals.report.table import write_table_report

_HOME = {
    "write_ask_page": "fieldmark.evals.report.ask",
    "write_classify_report": "fieldmark.evals.report.classify",
    "write_demo_report": "fieldmark.evals.report.demo",
    "write_optimize_report": "fieldmark.evals.report.optimize",
    "write_table_report": "fieldmark.evals.report.table",
}

__all__ = [
    "write_ask_page",
    "write_classify_report",
    "write_demo_report",
    "write_optimize_report",
    "write_table_report",
]


def __getattr__(name: str) -> Any:
    """Import a writer on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'fieldmark.evals.report' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
