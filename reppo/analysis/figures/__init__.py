"""Figures in one style: color-blind safe, legible in print, told apart without color. Drawn without a display."""

from reppo.analysis.figures.axes import plot_reached as plot_reached
from reppo.analysis.figures.axes import plot_searches as plot_searches
from reppo.analysis.figures.axes import plot_tuning as plot_tuning
from reppo.analysis.figures.comparisons import plot_aggregates as plot_aggregates
from reppo.analysis.figures.comparisons import plot_differences as plot_differences
from reppo.analysis.figures.comparisons import plot_effects as plot_effects
from reppo.analysis.figures.comparisons import plot_profiles as plot_profiles
from reppo.analysis.figures.curves import plot_learning_curves as plot_learning_curves
from reppo.analysis.figures.designs import plot_interactions as plot_interactions
from reppo.analysis.figures.designs import plot_sensitivity as plot_sensitivity
from reppo.analysis.figures.diagnostics import plot_costs as plot_costs
from reppo.analysis.figures.diagnostics import plot_diagnostics as plot_diagnostics
from reppo.analysis.figures.growth import plot_growth as plot_growth
from reppo.analysis.figures.style import Picture as Picture
