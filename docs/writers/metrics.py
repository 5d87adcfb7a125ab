"""Metrics of training: what each is, and what is healthy."""

from reppo.descriptions.entries import Entry, list_entries
from writers.markdown import blocks, bullets, code, heading, prose


def write() -> str:
    """Every metric: a section a group."""
    parts, group = [], None
    for entry in list_entries("metrics"):
        if entry["theme"] != group:
            group = entry["theme"]
            parts.append(f"## {group}")
        parts.append(_metric(entry))
    return blocks(*parts)


def _metric(entry: Entry) -> str:
    share = entry["warn_above"]
    return blocks(
        heading(3, entry["name"]),
        f"{prose(entry['summary'][0].upper() + entry['summary'][1:])}.",
        bullets(
            f"Healthy: {prose(entry['healthy'])}",
            "Watched: in the training diagnostics of the report" if entry["watched"] else "",
            f"Its limit, drawn beside it: {code(entry['limit'])}" if entry["limit"] else "",
            "" if share is None else f"The report warns where its mean over training is above {share:g}",
        ),
    )
