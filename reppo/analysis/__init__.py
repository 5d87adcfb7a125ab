"""Statistics, tables and figures from records on disk. No JAX; SciPy and matplotlib are imported where used."""

from reppo.analysis.comparisons.axes import AtSeconds, Axes, at_equal_seconds, axes
from reppo.analysis.comparisons.factorial import (
    Agreement,
    Design,
    Effect,
    ShapleyValue,
    agreement,
    contrast,
    design_of,
    factorial_effects,
    shapley_values,
)
from reppo.analysis.comparisons.paired import PairedEffect, compare
from reppo.analysis.comparisons.searches import SearchScores, TunedScores, search_scores, tuned_scores
from reppo.analysis.comparisons.seeds import SeedPlan, plan_seeds
from reppo.analysis.comparisons.sensitivity import (
    EffectiveDimension,
    Sensitivity,
    effective_dimension,
    grid_settings,
    sensitivity,
)
from reppo.analysis.comparisons.summaries import (
    AggregateRow,
    ImprovementRow,
    Profile,
    aggregate,
    aggregate_tasks,
    performance_profiles,
    probability_of_improvement,
)
from reppo.analysis.comparisons.unpaired import UnpairedEffect, compare_unpaired
from reppo.analysis.curves.diagnostics import Diagnostic, training_diagnostics
from reppo.analysis.curves.learning import ReliableImprovement, TimeToThreshold, reliable_improvement, time_to_threshold
from reppo.analysis.curves.learning_curves import LearningCurve, learning_curves
from reppo.analysis.curves.published import PublishedCurve, published, published_caveats, published_variants
from reppo.analysis.figures.axes import plot_reached, plot_searches, plot_tuning
from reppo.analysis.figures.comparisons import plot_aggregates, plot_differences, plot_effects, plot_profiles
from reppo.analysis.figures.curves import plot_learning_curves
from reppo.analysis.figures.designs import plot_interactions, plot_sensitivity
from reppo.analysis.figures.diagnostics import plot_costs, plot_diagnostics
from reppo.analysis.figures.style import Picture
from reppo.analysis.report.build import build_report, load_report
from reppo.analysis.report.content import Report, Section
from reppo.analysis.report.findings import Finding
from reppo.analysis.report.write import write_report
from reppo.analysis.scores.arms import apart, searches_of
from reppo.analysis.scores.caveats import caveats_of
from reppo.analysis.scores.from_runs import score_table, worst_returns
from reppo.analysis.scores.scales import scale_of
from reppo.analysis.scores.scores import Normalization, ScoreTable
from reppo.analysis.statistics.aggregates import (
    AGGREGATES,
    iqm,
    mean,
    median,
    optimality_gap,
    pooled_iqm,
    run_median,
    task_iqm,
)
from reppo.analysis.statistics.best_of import best_of, best_of_equals
from reppo.analysis.statistics.corrections import corrected, holm
from reppo.analysis.statistics.intervals import (
    Interval,
    Intervals,
    bootstrap_band,
    interval,
    intervals,
    share_interval,
    student_interval,
)
from reppo.analysis.statistics.over_time import area_under_curve, kaplan_meier
from reppo.analysis.statistics.power import paired_power, seeds_needed
from reppo.analysis.statistics.sequential import found_at
from reppo.analysis.statistics.sign_flips import SignFlip, sign_flip_interval, sign_flip_test, sign_test
from reppo.analysis.statistics.spread import standard_error
from reppo.analysis.tables.comparison import Comparison, compare_results
from reppo.analysis.tables.looks import next_look
from reppo.analysis.tables.power import power_table
from reppo.analysis.tables.published import published_effects
from reppo.analysis.tables.summary import Improvement, SummaryRow, format_table, improvement, summary_table
from reppo.analysis.tables.table import Table

__all__ = [
    "AGGREGATES",
    "AggregateRow",
    "Agreement",
    "AtSeconds",
    "Axes",
    "Comparison",
    "Design",
    "Diagnostic",
    "Effect",
    "EffectiveDimension",
    "Finding",
    "Improvement",
    "ImprovementRow",
    "Interval",
    "Intervals",
    "LearningCurve",
    "Normalization",
    "PairedEffect",
    "Picture",
    "Profile",
    "PublishedCurve",
    "ReliableImprovement",
    "Report",
    "ScoreTable",
    "SearchScores",
    "Section",
    "SeedPlan",
    "Sensitivity",
    "ShapleyValue",
    "SignFlip",
    "SummaryRow",
    "Table",
    "TimeToThreshold",
    "TunedScores",
    "UnpairedEffect",
    "aggregate",
    "aggregate_tasks",
    "agreement",
    "apart",
    "area_under_curve",
    "at_equal_seconds",
    "axes",
    "best_of",
    "best_of_equals",
    "bootstrap_band",
    "build_report",
    "caveats_of",
    "compare",
    "compare_results",
    "compare_unpaired",
    "contrast",
    "corrected",
    "design_of",
    "effective_dimension",
    "factorial_effects",
    "format_table",
    "found_at",
    "grid_settings",
    "holm",
    "improvement",
    "interval",
    "intervals",
    "iqm",
    "kaplan_meier",
    "learning_curves",
    "load_report",
    "mean",
    "median",
    "next_look",
    "optimality_gap",
    "paired_power",
    "performance_profiles",
    "plan_seeds",
    "plot_aggregates",
    "plot_costs",
    "plot_diagnostics",
    "plot_differences",
    "plot_effects",
    "plot_interactions",
    "plot_learning_curves",
    "plot_profiles",
    "plot_reached",
    "plot_searches",
    "plot_sensitivity",
    "plot_tuning",
    "pooled_iqm",
    "power_table",
    "probability_of_improvement",
    "published",
    "published_caveats",
    "published_effects",
    "published_variants",
    "reliable_improvement",
    "run_median",
    "scale_of",
    "score_table",
    "search_scores",
    "searches_of",
    "seeds_needed",
    "sensitivity",
    "shapley_values",
    "share_interval",
    "sign_flip_interval",
    "sign_flip_test",
    "sign_test",
    "standard_error",
    "student_interval",
    "summary_table",
    "task_iqm",
    "time_to_threshold",
    "training_diagnostics",
    "tuned_scores",
    "worst_returns",
    "write_report",
]
