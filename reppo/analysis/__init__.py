"""Statistics, tables and figures from records on disk. No JAX; SciPy and matplotlib are imported where used."""

from reppo.analysis.curves import LearningCurve as LearningCurve
from reppo.analysis.curves import learning_curves as learning_curves
from reppo.analysis.figures import plot_learning_curves as plot_learning_curves
from reppo.analysis.statistics import Interval as Interval
from reppo.analysis.statistics import bootstrap_band as bootstrap_band
from reppo.analysis.statistics import bootstrap_interval as bootstrap_interval
from reppo.analysis.statistics import iqm as iqm
from reppo.analysis.statistics import paired_interval as paired_interval
from reppo.analysis.statistics import student_interval as student_interval
from reppo.analysis.tables import Improvement as Improvement
from reppo.analysis.tables import SummaryRow as SummaryRow
from reppo.analysis.tables import format_table as format_table
from reppo.analysis.tables import improvement as improvement
from reppo.analysis.tables import summary_table as summary_table
