"""Which components matter, where the arms make a design of more than one."""

from typing import Any

from reppo.analysis import figures
from reppo.analysis.comparisons.factorial import (
    agreement,
    design_of,
    factorial_effects,
    interacting_pairs,
    shapley_values,
)
from reppo.analysis.report.content import Section
from reppo.analysis.report.study import Study, attempt
from reppo.analysis.tables.table import Table
from reppo.results.formatting import natural_order

_EACH = "Intervals: Student's, 95%, each by itself, over the tasks that all arms in it have."


def section(study: Study) -> Section | None:
    """Main effects, interactions and Shapley values, where the arms make a design of more than one component each."""
    if not study.several:
        return None
    table, unit = study.table, study.unit
    pairs = interacting_pairs(table)
    components = sorted({name for pair in pairs for name in pair}, key=natural_order)
    design = design_of(table, components)
    table = table.select(arms=design.arms)
    if not pairs or not table.common_tasks():
        return None
    pictures = (("interactions", figures.plot_interactions(table, pairs[:12], unit=unit)),)
    tables = []
    made = attempt(lambda: factorial_effects(table, design))
    if made:
        records = [
            {**vars(effect), "term": " x ".join(effect.term), "aliases": ", ".join(effect.aliases) or "none"}
            for effect in made
        ]
        tables.append(
            Table.of(
                "factorial",
                f"Main effects and interactions ({unit})",
                records,
                ("term", "estimate", "low", "high", "aliases"),
                kinds={"estimate": "difference"},
                intervals={"estimate": ("low", "high")},
                notes=(
                    "Estimate: mean score with the component minus without; of an interaction, half of what one's "
                    f"effect is larger with the other. Aliases cannot be told apart from it. {_EACH}",
                ),
            )
        )
    values = attempt(lambda: shapley_values(table, design)) if design.complete else None
    if values:
        tables.append(
            Table.of(
                "shapley",
                f"Shares of the components in the difference between all and none ({unit})",
                values,
                ("component", "estimate", "low", "high"),
                kinds={"estimate": "difference"},
                intervals={"estimate": ("low", "high")},
                notes=(f"Shapley values: mean contribution over all orders of adding components. {_EACH}",),
            )
        )
    agreed = attempt(lambda: agreement(table, design))
    if agreed and agreed.components:
        records = [
            {
                "component": name,
                **{
                    key: value
                    for column, found in (("left_out", out), ("added_in", into), ("difference", gap))
                    for key, value in zip((column, f"{column}_low", f"{column}_high"), found, strict=True)
                },
            }
            for name, out, into, gap in zip(
                agreed.components, agreed.leave_one_out, agreed.add_one_in, agreed.difference, strict=True
            )
        ]
        kinds: Any = dict.fromkeys(("left_out", "added_in", "difference"), "difference")
        tables.append(
            Table.of(
                "agreement",
                "Leaving a component out of the full algorithm, and adding it to the bare one",
                records,
                ("component", *(f"{name}{end}" for name in kinds for end in ("", "_low", "_high"))),
                kinds=kinds,
                intervals={name: (f"{name}_low", f"{name}_high") for name in kinds},
                notes=(
                    f"Above 0: the score is higher with the component. The signs of both estimates agree for "
                    f"{agreed.same_sign:.0%} of the components; without interactions both are equal but for the "
                    f"seeds. {_EACH}",
                ),
            )
        )
    text = (
        "Means with 95% intervals of each arm by itself. Lines that are parallel do not interact: what one ablation "
        "does is then the same with the other; lines of few seeds are never quite parallel."
    )
    return Section(key="design", title="Interactions", text=text, pictures=pictures, tables=tuple(tables))
