"""The works that an experiment builds on, as BibTeX.

A docstring or an ablation's `reference` names a work by its number, such as `arXiv 2507.11019`, or its address; the
works of an experiment are those that its components and ablations name.
"""

import dataclasses
from typing import Any, final

from reppo.component import Component
from reppo.spec import list_paths
from reppo.sweep import Experiment


@final
@dataclasses.dataclass(frozen=True)
class Work:
    """A paper or a program.

    Attributes:
        name: how docstrings name it: `arXiv` and a number, or an address.
        key: its BibTeX key.
        title: its title.
        author: its authors, joined by `and`.
        year: when this version of it appeared.
        published: the conference or journal, if there is one besides arXiv.
    """

    name: str
    key: str
    title: str
    author: str
    year: int
    published: str = ""

    def bibtex(self) -> str:
        """The entry: `@inproceedings` if it was published at a conference, else `@misc`."""
        kind = "inproceedings" if self.published else "misc"
        fields = {"title": f"{{{self.title}}}", "author": self.author, "year": str(self.year)}
        if self.published:
            fields["booktitle"] = self.published
        source, _, number = self.name.partition(" ")
        if source == "arXiv":
            fields |= {"eprint": number, "archiveprefix": "arXiv", "url": f"https://arxiv.org/abs/{number}"}
        else:
            fields["url"] = f"https://{self.name}"
        return "\n".join([f"@{kind}{{{self.key},", *(f"  {key} = {{{text}}}," for key, text in fields.items()), "}"])


_ICLR, _ICML, _NEURIPS = (
    "International Conference on Learning Representations",
    "International Conference on Machine Learning",
    "Advances in Neural Information Processing Systems",
)

WORKS = (
    Work(
        "arXiv 2507.11019",
        "voelcker2026relative",
        "Relative Entropy Pathwise Policy Optimization",
        "Voelcker, Claas A. and Brunnbauer, Axel and Hussing, Marcel and Nauman, Michal and Abbeel, Pieter and "
        "Grosu, Radu and Eaton, Eric and Farahmand, Amir-massoud and Gilitschenski, Igor",
        2026,
        _ICLR,
    ),
    Work(
        "github.com/cvoelcker/reppo",
        "voelcker2025reppocode",
        "Official Code for Relative Entropy Pathwise Policy Optimization",
        "Voelcker, Claas A.",
        2025,
    ),
    Work(
        "joschu.net/blog/kl-approx.html",
        "schulman2020approximating",
        "Approximating KL Divergence",
        "Schulman, John",
        2020,
    ),
    Work(
        "arXiv 1211.5063",
        "pascanu2013difficulty",
        "On the Difficulty of Training Recurrent Neural Networks",
        "Pascanu, Razvan and Mikolov, Tomas and Bengio, Yoshua",
        2013,
        _ICML,
    ),
    Work(
        "arXiv 1412.6980",
        "kingma2015adam",
        "Adam: A Method for Stochastic Optimization",
        "Kingma, Diederik P. and Ba, Jimmy",
        2015,
        _ICLR,
    ),
    Work(
        "arXiv 1411.5279",
        "hesterberg2014what",
        "What Teachers Should Know about the Bootstrap: Resampling in the Undergraduate Statistics Curriculum",
        "Hesterberg, Tim",
        2014,
    ),
    Work(
        "arXiv 1607.06450",
        "ba2016layer",
        "Layer Normalization",
        "Ba, Jimmy Lei and Kiros, Jamie Ryan and Hinton, Geoffrey E.",
        2016,
    ),
    Work(
        "arXiv 1707.06347",
        "schulman2017proximal",
        "Proximal Policy Optimization Algorithms",
        "Schulman, John and Wolski, Filip and Dhariwal, Prafulla and Radford, Alec and Klimov, Oleg",
        2017,
    ),
    Work(
        "arXiv 1707.06887",
        "bellemare2017distributional",
        "A Distributional Perspective on Reinforcement Learning",
        "Bellemare, Marc G. and Dabney, Will and Munos, R{\\'e}mi",
        2017,
        _ICML,
    ),
    Work(
        "arXiv 1710.05941",
        "ramachandran2017searching",
        "Searching for Activation Functions",
        "Ramachandran, Prajit and Zoph, Barret and Le, Quoc V.",
        2017,
    ),
    Work(
        "arXiv 1711.05101",
        "loshchilov2019decoupled",
        "Decoupled Weight Decay Regularization",
        "Loshchilov, Ilya and Hutter, Frank",
        2019,
        _ICLR,
    ),
    Work(
        "arXiv 1801.00690",
        "tassa2018deepmind",
        "DeepMind Control Suite",
        "Tassa, Yuval and Doron, Yotam and Muldal, Alistair and Erez, Tom and Li, Yazhe and de Las Casas, Diego and "
        "Budden, David and Abdolmaleki, Abbas and Merel, Josh and Lefrancq, Andrew and Lillicrap, Timothy and "
        "Riedmiller, Martin",
        2018,
    ),
    Work(
        "arXiv 1801.01290",
        "haarnoja2018soft",
        "Soft Actor-Critic: Off-Policy Maximum Entropy Deep Reinforcement Learning with a Stochastic Actor",
        "Haarnoja, Tuomas and Zhou, Aurick and Abbeel, Pieter and Levine, Sergey",
        2018,
        _ICML,
    ),
    Work(
        "arXiv 1802.09477",
        "fujimoto2018addressing",
        "Addressing Function Approximation Error in Actor-Critic Methods",
        "Fujimoto, Scott and van Hoof, Herke and Meger, David",
        2018,
        _ICML,
    ),
    Work(
        "arXiv 1806.04613",
        "imani2018improving",
        "Improving Regression Performance with Distributional Losses",
        "Imani, Ehsan and White, Martha",
        2018,
        _ICML,
    ),
    Work(
        "arXiv 1812.05905",
        "haarnoja2018applications",
        "Soft Actor-Critic Algorithms and Applications",
        "Haarnoja, Tuomas and Zhou, Aurick and Hartikainen, Kristian and Tucker, George and Ha, Sehoon and "
        "Tan, Jie and Kumar, Vikash and Zhu, Henry and Gupta, Abhishek and Abbeel, Pieter and Levine, Sergey",
        2018,
    ),
    Work(
        "arXiv 1910.07467",
        "zhang2019root",
        "Root Mean Square Layer Normalization",
        "Zhang, Biao and Sennrich, Rico",
        2019,
        _NEURIPS,
    ),
    Work(
        "arXiv 1911.08265",
        "schrittwieser2019mastering",
        "Mastering Atari, Go, Chess and Shogi by Planning with a Learned Model",
        "Schrittwieser, Julian and Antonoglou, Ioannis and Hubert, Thomas and Simonyan, Karen and Sifre, Laurent and "
        "Schmitt, Simon and Guez, Arthur and Lockhart, Edward and Hassabis, Demis and Graepel, Thore and "
        "Lillicrap, Timothy and Silver, David",
        2019,
    ),
    Work(
        "arXiv 2007.05929",
        "schwarzer2021data",
        "Data-Efficient Reinforcement Learning with Self-Predictive Representations",
        "Schwarzer, Max and Anand, Ankesh and Goel, Rishab and Hjelm, R. Devon and Courville, Aaron and "
        "Bachman, Philip",
        2021,
        _ICLR,
    ),
    Work(
        "arXiv 2108.13264",
        "agarwal2021deep",
        "Deep Reinforcement Learning at the Edge of the Statistical Precipice",
        "Agarwal, Rishabh and Schwarzer, Max and Castro, Pablo Samuel and Courville, Aaron and Bellemare, Marc G.",
        2021,
        _NEURIPS,
    ),
    Work(
        "arXiv 2306.10882",
        "mathieu2023adastop",
        "AdaStop: Adaptive Statistical Testing for Sound Comparisons of Deep RL Agents",
        "Mathieu, Timothée and Della Vecchia, Riccardo and Shilova, Alena and Medeiros Centa, Matheus and "
        "Kohler, Hector and Maillard, Odalric-Ambrym and Preux, Philippe",
        2023,
    ),
    Work(
        "arXiv 2403.03950",
        "farebrother2024stop",
        "Stop Regressing: Training Value Functions via Classification for Scalable Deep RL",
        'Farebrother, Jesse and Orbay, Jordi and Vuong, Quan and Ta{\\"i}ga, Adrien Ali and Chebotar, Yevgen and '
        "Xiao, Ted and Irpan, Alex and Levine, Sergey and Castro, Pablo Samuel and Faust, Aleksandra and "
        "Kumar, Aviral and Agarwal, Rishabh",
        2024,
        _ICML,
    ),
    Work(
        "arXiv 2412.07165",
        "adkins2024method",
        "A Method for Evaluating Hyperparameter Sensitivity in Reinforcement Learning",
        "Adkins, Jacob and Bowling, Michael and White, Adam",
        2024,
        _NEURIPS,
    ),
    Work(
        "arXiv 2502.08844",
        "zakka2025mujoco",
        "MuJoCo Playground",
        "Zakka, Kevin and Tabanpour, Baruch and Liao, Qiayuan and Haiderbhai, Mustafa and Holt, Samuel and "
        "Luo, Jing Yuan and Allshire, Arthur and Frey, Erik and Sreenath, Koushil and Kahrs, Lueder A. and "
        "Sferrazza, Carlo and Tassa, Yuval and Abbeel, Pieter",
        2025,
    ),
    Work(
        "arXiv 2111.00254",
        "kidger2021equinox",
        "Equinox: Neural Networks in JAX via Callable PyTrees and Filtered Transformations",
        "Kidger, Patrick and Garcia, Cristian",
        2021,
    ),
    Work(
        "github.com/RobertTLange/gymnax",
        "lange2022gymnax",
        "gymnax: A JAX-Based Reinforcement Learning Environment Library",
        "Lange, Robert Tjarko",
        2022,
    ),
    Work(
        "github.com/jax-ml/jax",
        "bradbury2018jax",
        "JAX: Composable Transformations of Python+NumPy Programs",
        "Bradbury, James and Frostig, Roy and Hawkins, Peter and Johnson, Matthew James and Leary, Chris and "
        "Maclaurin, Dougal and Necula, George and Paszke, Adam and VanderPlas, Jake and Wanderman-Milne, Skye and "
        "Zhang, Qiao",
        2018,
    ),
)
"""Every work that a docstring of this library or an ablation of its catalog names."""

_EVERY_EXPERIMENT = {
    "written in JAX": "github.com/jax-ml/jax",
    "written in Equinox": "arXiv 2111.00254",
    "statistics of the report": "arXiv 2108.13264",
}


def works_in(text: str) -> list[Work]:
    """The works that a text names, in the order of `WORKS`."""
    return [work for work in WORKS if work.name in text.replace("arXiv:", "arXiv ")]


def cite(experiment: Experiment) -> list[tuple[Work, list[str]]]:
    """The works that an experiment builds on, in the order of `WORKS`, each with what it is cited for.

    What names a work is a component, an ablation or, in every experiment, the toolkit and its report.
    """
    named_by: dict[Work, dict[str, None]] = {}

    def add(what: str, text: str) -> None:
        for work in works_in(text):
            named_by.setdefault(work, {})[what] = None

    for what, text in _EVERY_EXPERIMENT.items():
        add(what, text)
    parts = [part for run in experiment.runs() for part in list_paths(run.spec).values()]
    for component in dict.fromkeys(type(part) for part in parts if isinstance(part, Component)):
        add(component.__name__, component.__doc__ or "")
    for arm in experiment.declared_arms():
        for ablation in arm.arm.ablations:
            add(ablation.name, ablation.reference)
    return [(work, list(named_by[work])) for work in WORKS if work in named_by]


def format_bibtex(cited: list[tuple[Work, list[str]]]) -> str:
    """A BibTeX file; a comment before each entry says what it is cited for."""
    return "\n\n".join(f"% {', '.join(reasons)}\n{work.bibtex()}" for work, reasons in cited)


def cited_as_json(cited: list[tuple[Work, list[str]]]) -> list[dict[str, Any]]:
    """Plain data: the fields of each work, what it is cited for, and its BibTeX entry."""
    return [dataclasses.asdict(work) | {"cited_for": reasons, "bibtex": work.bibtex()} for work, reasons in cited]
