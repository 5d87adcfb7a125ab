"""The commands that use trained policies: `reppo evaluate` and `reppo render`."""

import argparse
import json
from pathlib import Path

from reppo.cli import options
from reppo.cli.parser import Commands
from reppo.cli.terminal import working
from reppo.text import plain


def add_commands(commands: Commands) -> None:
    """Adds the commands."""
    evaluate = commands.add("evaluate", evaluate_run, "evaluate a trained policy")
    _add_policy(evaluate, episodes="fresh ones")
    evaluate.add_argument("--episodes", type=options.count, metavar="N", help="default: as in the run's evaluations")
    options.add_json(evaluate)

    render = commands.add("render", render_run, "write a video of an episode of a trained policy")
    _add_policy(render, episodes="the run's own")
    render.add_argument("--out", type=Path, metavar="FILE", help="a .gif or .mp4; default: episode.gif in RUN")
    render.add_argument("--episode", type=int, default=0, metavar="N", help="which evaluation episode; default: 0")
    render.add_argument(
        "--steps", type=options.count, metavar="N", help="only the first steps; default: the whole episode"
    )
    render.add_argument("--width", type=int, default=480, metavar="PIXELS", help="default: 480")
    render.add_argument("--height", type=int, default=360, metavar="PIXELS", help="default: 360")
    render.add_argument("--camera", metavar="CAMERA", help="a camera of a Playground task; default: the free one")


def _add_policy(parser: argparse.ArgumentParser, episodes: str) -> None:
    options.add_file(parser)
    options.add_run(parser)
    parser.add_argument("--which", choices=["best", "last"], default="best", help="which policy; default: best")
    parser.add_argument("--seed", type=int, metavar="N", help=f"whose evaluation episodes; default: {episodes}")


def _read_policy_arguments(arguments: argparse.Namespace) -> None:
    """Checks that there is such a run, then reads the user's file, if one is named."""
    from reppo.results import open_run

    open_run(arguments.run)
    options.read_file(arguments)


def evaluate_run(arguments: argparse.Namespace) -> int:
    """`reppo evaluate RUN`: prints the returns of episodes of its policy."""
    _read_policy_arguments(arguments)
    with working("loading the policy"):
        import numpy as np

        from reppo.analysis import iqm
        from reppo.policies import evaluate_policy, load_policy
        from reppo.runtime.cache import use_compilation_cache

        policy = load_policy(arguments.run, arguments.which)
    use_compilation_cache()
    with working("compiling and evaluating"):
        evaluated = evaluate_policy(policy, arguments.episodes, arguments.seed)
    returns = np.asarray(evaluated.episode_return, np.float64)
    lengths = np.asarray(evaluated.episode_length)
    scored = returns[np.isfinite(returns)]
    record = policy.record
    if arguments.json:
        data = {
            "run": str(arguments.run),
            "which": arguments.which,
            "arm": record.arm,
            "environment": record.environment,
            "seed": record.seed,
            "episodes_of": "fresh" if arguments.seed is None else arguments.seed,
            "episodes": len(returns),
            "mean": float(scored.mean()) if scored.size else None,
            "iqm": float(iqm(scored)) if scored.size else None,
            "returns": [value if np.isfinite(value) else None for value in returns.tolist()],
            "lengths": lengths.tolist(),
            "nonfinite": int(np.sum(evaluated.nonfinite)),
        }
        print(json.dumps(data, indent=2))
        return 0
    which = f"{record.environment}, {record.arm}, seed {record.seed}, {arguments.which} policy"
    print(plain(f"{which}, {len(returns)} {_whose_episodes(arguments, record.seed)}"))
    if scored.size:
        print(
            f"  return  mean {scored.mean():.1f}  IQM {iqm(scored):.1f}  from {scored.min():.1f} to {scored.max():.1f}"
        )
    if scored.size < returns.size:
        print(f"  {returns.size - scored.size} episodes have no return: the simulation broke in them")
    print(f"  length  mean {lengths.mean():.0f}  from {lengths.min()} to {lengths.max()}")
    return 0


def _whose_episodes(arguments: argparse.Namespace, own_seed: int) -> str:
    if arguments.seed is None:
        return "fresh episodes"
    if arguments.seed != own_seed:
        return f"episodes of the evaluations of seed {arguments.seed}"
    chosen = ", on which this policy was chosen" if arguments.which == "best" else ""
    return f"episodes of the run's own evaluations{chosen}"


def render_run(arguments: argparse.Namespace) -> int:
    """`reppo render RUN`: writes a video of an episode of its policy."""
    from reppo.results.files import check_folder

    out = arguments.out or arguments.run / "episode.gif"
    check_folder(out.parent)
    _read_policy_arguments(arguments)
    with working("loading the policy"):
        from reppo.policies import load_policy, render_episode
        from reppo.policies.video import check_video_path
        from reppo.runtime.cache import use_compilation_cache

        check_video_path(out)
        policy = load_policy(arguments.run, arguments.which)
    use_compilation_cache()
    with working("compiling and drawing"):
        rendered = render_episode(
            policy,
            out,
            episode=arguments.episode,
            seed=arguments.seed,
            steps=arguments.steps,
            width=arguments.width,
            height=arguments.height,
            camera=arguments.camera,
        )
    print(
        f"{rendered.path}: {rendered.frames} frames of an episode of {rendered.episode_length} steps with return "
        f"{rendered.episode_return:.1f}"
    )
    return 0
