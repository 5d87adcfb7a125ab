"""What a sweep took on this machine is what the plan of the next one says."""

import json
import re
import time

import pytest

from ablations import kl, value
from reppo import environments
from reppo.ablation import setting
from reppo.cli import main
from reppo.errors import ConfigurationError
from reppo.results.formatting import human_seconds
from reppo.runtime.timings import Timings
from reppo.spec import replace_path
from reppo.spec.identity import code_id
from reppo.sweep import Experiment, execute, past
from reppo.sweep.batches import arrange_batches
from reppo.sweep.execution import Execution, choose_execution
from reppo.sweep.forecast import forecast, format_forecast
from reppo.sweep.past import Past
from reppo.sweep.plan import look_ahead
from reppo.tracking import AbstractTracker, Compiling, NoTracker
from reppo.training import BatchProgram
from tests.tiny import tiny_preset


def declare(**changes):
    settings = {
        "name": "small",
        "base": tiny_preset,
        "environments": [environments.probe("BestAction")],
        "seeds": [0, 1, 2],
        "steps": 128 * 4,
    }
    return Experiment(**(settings | changes))


def planned(experiment, known):
    execution = choose_execution(experiment)
    return forecast(experiment, arrange_batches(experiment.runs(), execution), execution, Past(known))


class Compilations(AbstractTracker):
    def __init__(self):
        self.usual = []

    def receive(self, event):
        self.usual += [event.usual_seconds] if isinstance(event, Compiling) else []

    def close(self):
        pass


@pytest.fixture
def slowly(monkeypatch):
    """A program that takes 500 ms to compile, 20 for an iteration and 50 for an evaluation of one set of lanes."""
    original = BatchProgram.compile

    def compile_program(self):
        time.sleep(0.5)
        return original(self)

    def waits(name, seconds):
        function = getattr(BatchProgram, name)

        def wait(self, states, specs, iterations=1, **keywords):
            time.sleep(seconds * iterations * -(-len(specs) // self.at_once))
            return function(self, states, specs, *([iterations] if name == "iterate" else []))

        monkeypatch.setattr(BatchProgram, name, wait)

    monkeypatch.setattr(BatchProgram, "compile", compile_program)
    waits("iterate", 0.02)
    waits("assess", 0.05)


@pytest.mark.slow
def test_a_plan_says_what_the_sweep_before_took(tmp_path, slowly):
    experiment, file, heard = declare(), tmp_path / "timings.jsonl", Compilations()
    before = planned(experiment, Timings(file))
    assert before.groups[0].expected is None and "about" not in format_forecast(before)
    execute(experiment, tmp_path / "first", heard, timings=Timings(file))
    execute(experiment, tmp_path / "second", heard, timings=Timings(file))
    none, usual = heard.usual
    assert none is None and usual >= 0.5

    longer = declare(steps=128 * 40, seeds=range(6))
    (group,) = planned(longer, Timings(file)).groups
    assert group.expected is not None and group.expected.itself
    (noted,) = [known for known in Timings(file).all().values() if "family" in known]
    iteration, evaluation, sets = noted["iteration_seconds"], noted["evaluation_seconds"], -(-6 // group.at_once)
    assert iteration >= 0.02 and evaluation >= 0.05
    assert group.expected.compile_seconds == noted["compile_seconds"] >= 0.5
    assert group.expected.seconds == pytest.approx(sets * (40 * iteration + 21 * evaluation))
    text = format_forecast(planned(longer, Timings(file)))
    compiled = human_seconds(noted["compile_seconds"])
    assert f"{compiled} to compile" in text and "as before on this machine" in text
    assert re.search(
        rf"about \S+: {compiled} of compilation and .* by what this machine took before\. Compilation takes", text
    )


def test_programs_of_which_nothing_is_known_are_taken_for_their_like_or_left_out():
    known = Timings(None)
    base, arm, other = (
        declare(arms=[kl.no_kl], environments=[environments.probe(name) for name in ("BestAction", "Discounting")])
        .runs()[number]
        .spec
        for number in (0, 3, 6)
    )
    execution = Execution("map", 16, 2)
    one = Past(known)
    assert one.expected(base, 4, execution) is None
    one.trained(base, 4, execution, 0.5, 2.0)
    assert one.expected(base, 4, execution) is None  # how long its compilation takes is not known
    one.compiled(base, 4, execution, 30.0)
    assert one.expected(base, 4, execution) == past.Expected(30.0, 0.5, 2.0, True)
    assert one.expected(arm, 4, execution) == past.Expected(30.0, 0.5, 2.0, False)
    assert one.expected(other, 4, execution) is None and one.expected(base, 4, Execution("map", 16, 1)) is None
    assert one.expected(base, 4, execution).seconds(3, 10, 2) == 3 * (10 * 0.5 + 2 * 2.0)
    both = declare(arms=[kl.no_kl], environments=[environments.probe(name) for name in ("BestAction", "Discounting")])
    batches = arrange_batches(both.runs(), execution)
    assert batches[0].width == 4
    text = format_forecast(forecast(both, batches, execution, one))
    assert "as before on this machine" in text and "as programs like it took on this machine" in text
    assert "for 2 of 4 programs; nothing is known here of the others" in text


def test_programs_are_known_by_their_code_not_by_the_values_of_scalars():
    runs = declare(arms=[setting("kl_bound", 0.3), value.mse]).runs()
    base, scalar, structural = (code_id(runs[number].spec) for number in (0, 3, 6))
    assert base == scalar != structural


def test_a_program_whose_memory_is_known_is_not_traced_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("REPPO_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "study.py"
    file.write_text(
        "from reppo import Experiment, environments\nfrom tests.tiny import tiny_preset\n"
        "tasks = [environments.probe('BestAction')]\n"
        "experiment = Experiment(name='s', base=tiny_preset, environments=tasks, steps=9)\n"
    )
    described = []
    for _ in range(2):
        assert main(["plan", str(file), "--json"]) == 0
        described.append(json.loads(capsys.readouterr().out))
        monkeypatch.setattr(past, "needed_bytes", lambda run: pytest.fail("traced again"))
    assert described[0] == described[1] and described[0]["bytes"] > 0
    # a component whose source has changed is another
    monkeypatch.setattr(past, "source_hashes", lambda spec: {"ClippedKL": "0" * 8})
    with pytest.raises(pytest.fail.Exception):
        main(["plan", str(file)])


def test_a_plan_of_a_folder_is_of_what_is_left_in_it(tmp_path):
    study, out = declare(), tmp_path / "small"
    execution = choose_execution(study)
    assert look_ahead(study, out) == (execution, arrange_batches(study.runs(), execution), {}, 0)
    execute(study, out, NoTracker())
    before = {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
    ahead = look_ahead(study, out)
    assert ahead.batches == [] and ahead.runs_done == 3

    longer = declare(steps=128 * 40, seeds=range(5))  # three runs go on from iteration 4, two begin
    ahead = look_ahead(longer, out)
    old, new = ahead.batches
    assert [run.seed for run in old.runs] == [0, 1, 2] and ahead.iterations == {old.id: 4, new.id: 0}
    assert ahead.runs_done == 0 and new.width == old.width
    (group,) = forecast(longer, ahead.batches, ahead.execution, None, ahead.iterations).groups
    iterations, evaluations = 3 * 36 + 2 * 40, 3 * 18 + 2 * 21
    episodes = study.runs()[0].spec.evaluation.episodes
    assert group.training_steps == iterations * 128 and group.runs == 5
    assert group.evaluation_steps == evaluations * episodes * study.environments[0].make().horizon
    assert group.left == ((36, 18), (40, 21))
    assert before == {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}

    other = declare(base=lambda task: replace_path(tiny_preset(task), "gamma", 0.5))
    with pytest.raises(ConfigurationError, match="another run under the same name"):
        look_ahead(other, out)
