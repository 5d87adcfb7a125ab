"""What was run."""

from reppo.analysis.report.content import Section
from reppo.analysis.report.study import Study
from reppo.analysis.tables.specs import arm_changes, circumstances, task_differences
from reppo.analysis.tables.table import Table


def section(study: Study) -> Section:
    """What arms change, what differs between tasks, versions and machines, and runs that were lost."""
    results, base = study.results, study.base
    tables = []
    changed, varying, around = arm_changes(results, base), task_differences(results, base), circumstances(results)
    if changed:
        tables.append(
            Table.of("changes", "What the arms change in the base", changed, ("arm", "path", "base", "arm's", "on"))
        )
    if varying:
        tables.append(
            Table.of("base_by_task", "Where the base differs between tasks", varying, ("path", "value", "on"))
        )
    if around:
        tables.append(Table.of("versions", "Versions and machines", around, ("what", "value", "runs")))
    lost = [run for run in results if run.record.status != "finished"]
    if lost:
        records = [
            {
                "arm": run.record.arm,
                "task": run.record.environment,
                "seed": run.record.seed,
                "status": run.record.status,
                "at_steps": run.record.diverged_at if run.record.status == "diverged" else run.record.environment_steps,
                "last_return": run.evaluations.final_return(),
                "first_not_finite": run.record.diverged_by or "",
            }
            for run in lost
        ]
        tables.insert(0, Table.of("failures", "Runs that diverged or are not finished", records, tuple(records[0])))
    return Section(key="specs", title="What was run", tables=tuple(tables))
