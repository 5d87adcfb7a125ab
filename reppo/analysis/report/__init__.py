"""From runs to a report: findings in words, figures, tables, one page."""

from reppo.analysis.report.build import build_report as build_report
from reppo.analysis.report.build import load_report as load_report
from reppo.analysis.report.content import Report as Report
from reppo.analysis.report.content import Section as Section
from reppo.analysis.report.findings import Finding as Finding
from reppo.analysis.report.markdown import to_markdown as to_markdown
from reppo.analysis.report.write import write_report as write_report
