"""The sections of a report, in the order of its page: each module makes one, or none where runs do not support it."""

from collections.abc import Callable

from reppo.analysis.report.content import Section
from reppo.analysis.report.sections import (
    aggregates,
    costs,
    curves,
    designs,
    diagnostics,
    effects,
    four_axes,
    learning,
    published,
    sensitivity,
    specs,
    tasks,
)
from reppo.analysis.report.study import Study

SECTIONS: tuple[Callable[[Study], Section | None], ...] = (
    effects.section,
    aggregates.section,
    curves.section,
    published.section,
    tasks.section,
    learning.section,
    four_axes.section,
    designs.section,
    sensitivity.section,
    diagnostics.section,
    costs.section,
    specs.section,
)
"""What makes them."""
