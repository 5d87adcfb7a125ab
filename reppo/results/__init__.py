"""Records on disk, one schema: what happened in each run, as JSON and CSV that outlive this library. Imports no JAX."""

from reppo.results.evaluations import Evaluations, Metrics
from reppo.results.folder import ResultsFolder
from reppo.results.frames import columns, frame
from reppo.results.names import folder_name
from reppo.results.record import SCHEMA, RunRecord, Status
from reppo.results.run_folder import RunFolder
from reppo.results.runs import RunData, load_results, open_run, write_runs_csv

__all__ = [
    "SCHEMA",
    "Evaluations",
    "Metrics",
    "ResultsFolder",
    "RunData",
    "RunFolder",
    "RunRecord",
    "Status",
    "columns",
    "folder_name",
    "frame",
    "load_results",
    "open_run",
    "write_runs_csv",
]
