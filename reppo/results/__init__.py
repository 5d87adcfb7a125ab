"""Records on disk, one schema: what happened in each run, as JSON and CSV that outlive this library. Imports no JAX."""

from reppo.results.evaluations import Evaluations as Evaluations
from reppo.results.evaluations import Metrics as Metrics
from reppo.results.folder import ResultsFolder as ResultsFolder
from reppo.results.frames import columns as columns
from reppo.results.frames import frame as frame
from reppo.results.names import folder_name as folder_name
from reppo.results.record import SCHEMA as SCHEMA
from reppo.results.record import RunRecord as RunRecord
from reppo.results.record import Status as Status
from reppo.results.run_folder import RunFolder as RunFolder
from reppo.results.runs import RunData as RunData
from reppo.results.runs import load_results as load_results
from reppo.results.runs import open_run as open_run
from reppo.results.runs import write_runs_csv as write_runs_csv
