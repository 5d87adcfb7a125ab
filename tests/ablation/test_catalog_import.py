"""The names under which the catalog is imported."""

import os
import re
import subprocess
import sys
from pathlib import Path

import ablations
import reppo.ablations
from reppo.ablation import Ablation

ROOT = Path(ablations.__file__).parents[1]

OWN = """
{imported}
from reppo import Experiment, environments, presets
import reppo.ablations

print(reppo.ablations.kl.no_kl.name)
experiment = Experiment(
    name="own", base=presets.reppo, environments=[environments.probe("BestAction")], arms=[reppo.ablations.kl.no_kl],
    steps=1,
)
"""


def test_the_catalog_has_a_name_that_no_module_of_ones_own_hides(tmp_path):
    (tmp_path / "ablations.py").write_text("RUNS = []")
    (tmp_path / "study.py").write_text(OWN.format(imported="from reppo.ablations import kl"))
    (tmp_path / "hidden.py").write_text(OWN.format(imported="from ablations import kl"))
    (tmp_path / "whole.py").write_text(OWN.format(imported="import ablations; ablations.kl.no_kl"))
    (tmp_path / "gone.py").write_text(OWN.format(imported="from ablations.kl import no_kl"))
    place = os.environ | {"PYTHONPATH": str(ROOT)}
    run = lambda *command: subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, cwd=tmp_path, env=place
    )
    assert run("study.py").stdout == "kl/no_kl\n"
    cite = ["-m", "reppo.cli", "cite"]
    assert run(*cite, "study.py").returncode == 0
    for file in ("hidden.py", "gone.py", "whole.py"):
        refused = run(*cite, file)
        assert refused.returncode == 2 and "from reppo.ablations import" in refused.stderr
        assert repr(str(tmp_path / "ablations.py")) in refused.stderr


def test_both_names_of_the_catalog_give_the_same_ablations():
    themes = {file.stem for file in Path(ablations.__file__).parent.glob("*.py")} - {"__init__"}
    assert themes == set(reppo.ablations.__all__) >= set(ablations.__all__)
    stub = Path(reppo.ablations.__file__).with_suffix(".pyi").read_text()
    assert set(re.findall(r"^from \.\.ablations import (\w+) as \1$", stub, re.MULTILINE)) == themes
    for theme in ablations.__all__:
        ours, theirs = getattr(ablations, theme), getattr(reppo.ablations, theme)
        for name, one in vars(ours).items():
            if isinstance(one, Ablation):
                assert getattr(theirs, name) is one
