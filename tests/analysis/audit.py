"""A slow reference that finds every number of a report again, and shares no code with it."""

import math
import re
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

import numpy as np

from reppo.analysis import Picture, Report
from tests.analysis.slow import of, slow_contrast, slow_holm, slow_iqm, slow_sign_flip, slow_student
from tests.analysis.studies import Study

NUMBER = r"[−+]?(?:\d[\d,]*\.?\d*)"


@dataclass(frozen=True)
class Reference:
    """The scores of a study by the rules of the documentation, and what follows from them, in plain loops."""

    raw: dict[tuple[str, str, int], float]
    scores: dict[tuple[str, str, int], float]
    unit: str


def reference(study: Study) -> Reference:
    """Scores at the last common step, diverged runs as the worst return, on the scale of the tasks."""
    raw: dict[tuple[str, str, int], float] = {}
    for task in study.tasks:
        own = {key: value for key, value in study.runs.items() if key[1] == task}
        cut = min((max(curve) for curve, lost in own.values() if not lost), default=10**9)
        for (arm, _, k), (curve, lost) in own.items():
            near = [v for (a, _, _), (c, _) in own.items() if a in (arm, "base") for v in c.values()]
            floor = 0.0 if study.known else min(near)
            raw[arm, task, k] = floor if lost else curve[max(s for s in curve if s <= cut)]
    if len(study.tasks) == 1 or study.known:
        return Reference(raw, raw, "return")
    scores: dict[tuple[str, str, int], float] = {}
    for task in study.tasks:
        gains = [
            (curve[0], raw["base", task, k])
            for (arm, t, k), (curve, lost) in study.runs.items()
            if arm == "base" and t == task and not lost
        ]
        used = [
            (first, last)
            for (first, last), (key, (curve, lost)) in zip(
                gains, [i for i in study.runs.items() if i[0][:2] == ("base", task) and not i[1][1]], strict=True
            )
            if _cut(study, task) > 0
        ]
        if not used:
            continue
        low, high = fmean(a for a, _ in used), fmean(b for _, b in used)
        spread = float(np.std([b for _, b in used], ddof=1)) if len(used) > 1 else 0.0
        if high - low > 0 and high - low >= spread:
            scores |= {key: (v - low) / (high - low) for key, v in raw.items() if key[1] == task}
    return Reference(raw, scores, "normalized score") if scores else Reference(raw, raw, "return")


def _cut(study: Study, task: str) -> int:
    return min((max(c) for (_, t, _), (c, lost) in study.runs.items() if t == task and not lost), default=10**9)


def differences(scores: dict[tuple[str, str, int], float], arm: str) -> dict[str, list[float]]:
    """Arm minus base on each task, over the seeds that both have."""
    found: dict[str, list[float]] = {}
    for (a, task, k), value in scores.items():
        if a == arm and ("base", task, k) in scores:
            found.setdefault(task, []).append(value - scores["base", task, k])
    return found


def number(text: str) -> float:
    """A number as it is written in a sentence."""
    return float(text.replace("−", "-").replace(",", ""))


def faults(study: Study, report: Report) -> list[str]:
    """Every number and sentence of a report that is not what the reference finds."""
    ref = reference(study)
    found: list[str] = []

    def check(what: str, said: float, right: float, slack: float = 1e-6) -> None:
        if differ(said, right, slack):
            found.append(f"{what}: {said} is said, {right} is right")

    own = [v for (arm, _, _), v in ref.scores.items() if arm == "base"]
    if own:
        said = re.match(
            rf"base reaches ({NUMBER})(?: \[({NUMBER}), ({NUMBER})\])?: .* of the (.*) of all runs (.*) \((\d+) run",
            report.summary,
        )
        if said is None:
            return [f"the summary cannot be read: {report.summary}"]
        check("base", number(said[1]), slow_iqm(own), 0.51)
        _rounded(found, "base", said[1], slow_iqm(own))
        check("runs of the base", float(said[6]), len(own))
        tasks = {task for (arm, task, _) in ref.scores if arm == "base"}
        if said[5] != (f"over {len(tasks)} tasks" if len(tasks) > 1 else f"on {next(iter(tasks))}"):
            found.append(f"the summary speaks {said[5]}, of {tasks}")
        if said[4] != ref.unit:
            found.append(f"the unit is {said[4]}, not {ref.unit}")
    arms = [arm for arm in study.arms[1:] if any(key[0] == arm for key in study.runs)]
    parts = {arm: differences(ref.scores, arm) for arm in arms}
    tested = [arm for arm in arms if parts[arm]]
    small = all(sum(map(len, parts[arm].values())) <= 12 for arm in tested)
    p = [slow_sign_flip(parts[arm]) if small else math.nan for arm in tested]
    p_holm = dict(zip(tested, slow_holm(p), strict=True)) if small else {}
    rows = {row["arm"]: row for row in report.table("effects").rows()} if arms else {}
    sentences = {one.arm: one for one in report.findings}
    if set(sentences) != set(arms):
        return [*found, f"findings are of {set(sentences)}, not {set(arms)}"]
    for arm in arms:
        one, row = sentences[arm], rows[arm]
        if not parts[arm]:
            if one.verdict != "unknown":
                found.append(f"{arm} shares nothing with the base, and is called {one.verdict}")
            continue
        values = [v for task in parts[arm].values() for v in task]
        estimate = fmean(map(fmean, parts[arm].values()))
        differing = sum(v != 0 for v in values)
        check(f"{arm}, estimate", row["estimate"], estimate)
        check(f"{arm}, pairs", row["pairs"], len(values))
        check(f"{arm}, tasks", row["tasks"], len(parts[arm]))
        check(f"{arm}, wins", row["wins"], sum(v > 0 for v in values))
        check(f"{arm}, ties", row["ties"], sum(v == 0 for v in values))
        if small:
            check(f"{arm}, p", row["p"], p[tested.index(arm)])
            check(f"{arm}, p (Holm)", row["p_holm"], p_holm[arm])
        if (row["p"] < 0.05) != (row["low"] > 0 or row["high"] < 0):
            found.append(f"{arm}: p = {row['p']} beside [{row['low']}, {row['high']}]")
        if not row["low"] <= row["estimate"] + 1e-9 or not row["high"] >= row["estimate"] - 1e-9:
            found.append(f"{arm}: the interval leaves out its estimate")
        verdict = "unclear" if row["p_holm"] >= 0.05 else "better" if estimate > 0 else "worse"
        if (
            one.verdict != verdict
            or {"better": "raises", "worse": "lowers", "unclear": "is not shown"}[verdict] not in one.sentence
        ):
            found.append(f"{arm} is called {one.verdict}, and is {verdict}: {one.sentence}")
        written = re.search(rf"\(({NUMBER})", one.sentence)
        if written is None:
            found.append(f"{arm} has no number: {one.sentence}")
        else:
            _rounded(found, arm, written[1], estimate)
        if share := re.search(rf"({NUMBER})% of base's", one.sentence):
            base = fmean(fmean(ref.scores["base", t, k] for k in _paired(ref.scores, arm, t)) for t in parts[arm])
            _rounded(found, f"{arm}, share of the base", share[1], 100 * estimate / base)
        where = f"over {len(parts[arm])} tasks" if len(parts[arm]) > 1 else f"on {next(iter(parts[arm]))} "
        if where not in one.sentence:
            found.append(f"{arm} is about {list(parts[arm])}: {one.sentence}")
        reach = min(1.0, 2.0 ** (1 - differing))
        if small:
            best = slow_holm([reach if a == arm else q for a, q in zip(tested, p, strict=True)])[tested.index(arm)]
            check(f"{arm}, smallest p (Holm)", row["smallest_p_holm"], best)
            if ("cannot show any" in one.sentence) != (best >= 0.05):
                found.append(f"{arm} could have p = {best}: {one.sentence}")
        if told := re.search(r"lower on (\d+) and higher on (\d+) of (\d+) tasks, most on (\S+) \(", one.sentence):
            means = {task: fmean(v) for task, v in parts[arm].items()}
            right = (sum(m < 0 for m in means.values()), sum(m > 0 for m in means.values()), len(means))
            if tuple(map(int, told.groups()[:3])) != right:
                found.append(f"{arm}: {told[0]}, but {right}")
            extreme = (min if estimate < 0 else max)(means.values())
            check(f"{arm}, most on", means[told[4]], extreme)
    for row in report.table("tasks").rows():
        scores = [v for (arm, task, _), v in ref.raw.items() if (arm, task) == (row["arm"], row["task"])]
        check(f"{row['arm']} on {row['task']}", row["iqm"], slow_iqm(scores))
        here = differences(ref.raw, row["arm"]).get(row["task"], []) if row["arm"] != "base" else []
        check(f"{row['arm']} on {row['task']}, difference", row["difference"], fmean(here) if here else math.nan)
        if study.known and math.isfinite(row["low"]) and not 0 <= row["low"] <= row["high"] <= 1000:
            found.append(f"{row['arm']} on {row['task']}: [{row['low']}, {row['high']}] is not possible")
    found += aggregate_faults(study, ref, report) + cost_faults(study, report) + design_faults(study, ref, report)
    found += shape_faults(study, report)
    lost = sum(lost for _, lost in study.runs.values())
    if bool(lost) != any("Runs diverged" in text for text in report.caveats):
        found.append(f"{lost} runs diverged: {report.caveats}")
    if learning := next((s.tables[0] for s in report.sections if s.key == "learning"), None):
        for row in learning.rows():
            check(f"{row['arm']} on {row['task']}, reliable", row["reliable"], _reliable(study, row))
    return found


def aggregate_faults(study: Study, ref: Reference, report: Report) -> list[str]:
    """Aggregates over tasks that are not what loops over the tasks of all arms find."""
    arms = [arm for arm in study.arms if any(key[0] == arm for key in study.runs)]
    tasks = [task for task in study.tasks if all(of(ref.scores, arm, task) for arm in arms)]
    rows = next((s.tables[0].rows() for s in report.sections if s.key == "aggregates"), [])
    found = [] if bool(rows) == bool(tasks) else [f"aggregates of {tasks}: {len(rows)} rows"]
    for row in rows:
        cells = [list(of(ref.scores, row["arm"], task).values()) for task in tasks]
        right = {
            "pooled_iqm": lambda cells: slow_iqm([v for own in cells for v in own]),
            "task_iqm": lambda cells: slow_iqm([slow_iqm(own) for own in cells]),
            "mean": lambda cells: fmean(map(fmean, cells)),
            "median": lambda cells: median(map(fmean, cells)),
            "optimality_gap": lambda cells: fmean(fmean(max(1 - v, 0.0) for v in own) for own in cells),
        }[row["aggregate"]](cells)
        what = f"{row['arm']}, {row['aggregate']}"
        expected = {"estimate": right, "tasks": len(tasks), "runs": sum(map(len, cells))}
        if row["aggregate"] == "mean":
            half = slow_student([(1 / len(cells), own) for own in cells])
            least, most = (0, 1000) if study.known else (-math.inf, math.inf)
            expected |= {"low": max(right - half, least), "high": min(right + half, most)}
        found += [
            f"{what}, {name}: {row[name]} is said, {v} is right" for name, v in expected.items() if differ(row[name], v)
        ]
        if math.isfinite(row["low"]) and not row["low"] - 1e-9 <= row["estimate"] <= row["high"] + 1e-9:
            found.append(f"{what}: {row['estimate']} is not in [{row['low']}, {row['high']}]")
        if row["aggregate"] == "optimality_gap" and row["low"] < 0:
            found.append(f"{what}: {row['low']} is not possible")
    return found


def cost_faults(study: Study, report: Report) -> list[str]:
    """Costs that are not the medians of what runs took."""
    found = []
    for row in next((s.tables[0].rows() for s in report.sections if s.key == "costs"), []):
        own = [cost for (arm, _, _), cost in study.costs.items() if arm == row["arm"]]
        for name, column, unit in (
            ("steps_per_second", "steps_per_second", 1),
            ("train_seconds", "train_seconds", 1),
            ("compile_seconds", "compile_seconds", 1),
            ("program_bytes", "program_mebibytes", 2**20),
        ):
            values = [cost[name] / unit for cost in own if cost[name] is not None]
            right = median(values) if values else math.nan
            if differ(row[column], right):
                found.append(f"{row['arm']}, {column}: {row[column]} is said, {right} is right")
        if row["runs"] != len(own):
            found.append(f"{row['arm']}: {row['runs']} runs, not {len(own)}")
    return found


def design_faults(study: Study, ref: Reference, report: Report) -> list[str]:
    """Effects of components that are not the contrasts of the arms that remove them."""
    made = {removed: arm for arm, removed in study.ablations.items() if any(key[0] == arm for key in study.runs)}
    full, bare, one, two = (made.get(removed, "") for removed in ((), ("x", "y"), ("x",), ("y",)))
    found = []

    def check(
        what: str, row: dict[str, Any], weights: dict[str, float], stem: str = "estimate", ends: str = ""
    ) -> None:
        right, half = slow_contrast(ref.scores, weights)
        columns = {stem: right, f"{ends}low": right - half, f"{ends}high": right + half}
        found.extend(
            f"{what}, {name}: {row[name]} is said, {v} is right" for name, v in columns.items() if differ(row[name], v)
        )

    section = next((s for s in report.sections if s.key == "design"), None)
    everything = {full: 0.5, two: 0.5, one: -0.5, bare: -0.5}
    there = bool(full and bare and one and two) and math.isfinite(slow_contrast(ref.scores, everything)[0])
    if (section is not None) != there:
        return [f"the arms {made} make {'a' if there else 'no'} design"]
    for table in () if section is None else section.tables:
        for row in table.rows():
            if table.name == "factorial":
                signs = {"x": (1, -1, 1, -1), "y": (1, 1, -1, -1), "x x y": (1, -1, -1, 1)}[row["term"]]
                check(row["term"], row, {arm: s / 2 for arm, s in zip((full, one, two, bare), signs, strict=True)})
            elif table.name == "shapley":
                signs = {"x": (1, -1, 1, -1), "y": (1, 1, -1, -1)}[row["component"]]
                check(row["component"], row, {arm: s / 2 for arm, s in zip((full, one, two, bare), signs, strict=True)})
            else:
                without, alone = {"x": (one, two), "y": (two, one)}[row["component"]]
                check(row["component"], row, {full: 1, without: -1}, "left_out", "left_out_")
                check(row["component"], row, {alone: 1, bare: -1}, "added_in", "added_in_")
                check(row["component"], row, {full: 1, without: -1, alone: -1, bare: 1}, "difference", "difference_")
    return found


def shape_faults(study: Study, report: Report) -> list[str]:
    """Curves in the data of the page that are not the evaluations of their run."""
    found = []
    for row, shape in zip(report.runs.rows(), report.curves, strict=True):
        right = study.runs[row["arm"], row["task"], row["seed"]][0]
        values = zip(shape.returns, right.values(), strict=False)
        if list(shape.environment_steps) != list(right) or any(v is None or differ(v, r) for v, r in values):
            found.append(f"{row['arm']} on {row['task']}, seed {row['seed']}: {shape} is drawn, {right} is right")
    return found


def curve_faults(study: Study, picture: Picture) -> list[str]:
    """Lines and bands of a figure of learning curves that are not those of the seeds of each arm."""
    found = []
    tasks = [task for task in study.tasks if any(key[1] == task for key in study.runs)]
    for task, panel in zip(tasks, picture.figure.axes, strict=True):
        lines = [np.asarray(line.get_xydata(), np.float64) for line in panel.lines]
        bands = [
            np.concatenate([path.vertices for path in band.get_paths()])
            for band in panel.collections
            if band.get_paths()
        ]
        for arm in study.arms:
            own = [value for (a, t, _), value in study.runs.items() if (a, t) == (arm, task)]
            if not own:
                continue
            near = [c for (a, t, _), (c, _) in study.runs.items() if t == task and a in (arm, "base")]
            floor = 0.0 if study.known else min(v for curve in near for v in curve.values())
            points = []
            for step in sorted({s for curve, _ in own for s in curve}):
                values = [curve.get(step, floor if lost and step > max(curve) else None) for curve, lost in own]
                if None not in values:
                    points.append((step, slow_iqm(values)))
            if not any(line.shape == (len(points), 2) and np.allclose(line, points) for line in lines):
                found.append(f"{arm} on {task}: no line through {points}")
            inside = [
                all(
                    band[band[:, 0] == s, 1].min() - 1e-6 <= y <= band[band[:, 0] == s, 1].max() + 1e-6
                    for s, y in points
                )
                for band in bands
                if {*band[:, 0]} == {s for s, _ in points}
            ]
            if len(own) > 1 and len(points) > 1 and not any(inside):
                found.append(f"{arm} on {task}: no band around {points}")
        for band in bands:
            if study.known and not ((band[:, 1] >= 0) & (band[:, 1] <= 1000)).all():
                found.append(f"a band on {task} leaves what is possible")
    return found


def differ(said: float, right: float, slack: float = 1e-6) -> bool:
    """Whether two numbers are not the same but for rounding; two that are unknown are."""
    return not (math.isnan(said) and math.isnan(right)) and not abs(said - right) <= slack * max(1.0, abs(right))


def _reliable(study: Study, row: dict[str, Any]) -> float:
    cut = _cut(study, row["task"])
    kept = []
    for (arm, task, _), (curve, lost) in study.runs.items():
        if (arm, task) == (row["arm"], row["task"]):
            above = [v >= row["threshold"] for s, v in curve.items() if s <= cut]
            kept.append(True in above and False not in above[above.index(True) :] and not lost)
    return fmean(kept)


def _paired(scores: dict[tuple[str, str, int], float], arm: str, task: str) -> list[int]:
    return [k for (a, t, k) in scores if a == arm and t == task and ("base", t, k) in scores]


def _rounded(found: list[str], what: str, text: str, right: float) -> None:
    """A number in a sentence is the right one, rounded to the digits that are written."""
    decimals = len(text.partition(".")[2])
    if abs(number(text) - right) > 0.5000001 * 10.0**-decimals:
        found.append(f"{what}: {text} is written, {right} is right")
