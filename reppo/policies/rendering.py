"""An episode of a trained policy as frames."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, PyTree

from reppo.environments import Episodes
from reppo.errors import require
from reppo.policies.trained import TrainedPolicy
from reppo.policies.video import check_video_path, write_video
from reppo.rollout import replay

MAX_FPS = 30.0
"""Tasks with more steps per second than this show every second step, every third, ..."""


@final
class Rendered(NamedTuple):
    """What was rendered.

    Attributes:
        path: the video.
        episode_return: undiscounted return of the episode.
        episode_length: its number of steps.
        frames: number of frames.
    """

    path: Path
    episode_return: float
    episode_length: int
    frames: int


def render_episode(
    policy: TrainedPolicy,
    path: str | Path,
    *,
    episode: int = 0,
    seed: int | None = None,
    steps: int | None = None,
    width: int = 480,
    height: int = 360,
    camera: str | None = None,
) -> Rendered:
    """Writes a video of one episode, at the task's own speed, with the deterministic policy.

    Each task draws itself, without a display; see `AbstractEnvironment.draw` and `picture`.

    Args:
        policy: the policy.
        path: a file that ends in `.gif` or `.mp4`.
        episode: which of the evaluation episodes, from 0.
        seed: of the episodes, from 0 to 2^32 - 1; the run's own by default.
        steps: most steps to show, at least 1; the whole episode by default.
        width: of the video, in pixels, from 16 to 4096.
        height: of the video, in pixels, from 16 to 4096.
        camera: a camera of the task, where it has any; its own view by default.

    Raises:
        ConfigurationError: if the task has no picture, or gives frames of another size, nothing can render without a
            display here (says what to install), an argument is out of range, or the video cannot be written.
    """
    path = Path(path)
    check_video_path(path)
    require(episode >= 0, f"The episode is {episode}; give 0 or more.")
    require(steps is None or steps >= 1, f"The number of steps is {steps}; give at least 1.")
    for name, size in (("width", width), ("height", height)):
        require(16 <= size <= 4096, f"The {name} of the video is {size} pixels; give one from 16 to 4096.")
    picture = policy.environment.picture(camera)
    states, rewards = _play(policy, episode, policy.record.seed if seed is None else seed, picture.visible)
    length = len(rewards) if steps is None else min(steps, len(rewards))
    every = max(1, round(picture.steps_per_second / MAX_FPS))
    returns = np.concatenate([[0.0], np.cumsum(rewards)])
    shown = range(0, length, every)
    frames = picture.draw(
        [jax.tree.map(lambda x, i=i: x[i], states) for i in shown], list(returns[shown]), width, height
    )
    for frame in frames:
        require(
            isinstance(frame, np.ndarray) and frame.shape == (height, width, 3) and frame.dtype == np.uint8,
            f"The picture of {policy.spec.environment.name} gave {_described(frame)} as a frame; it must be an array "
            f"of uint8 and shape ({height}, {width}, 3).",
        )
    require(
        len(frames) == len(shown),
        f"The picture of {policy.spec.environment.name} gave {len(frames)} frames of {len(shown)} states; it must give "
        "one of each.",
    )
    write_video(path, frames, picture.steps_per_second / every)
    return Rendered(path, float(returns[-1]), len(rewards), len(frames))


def _play(
    policy: TrainedPolicy, episode: int, seed: int, visible: Callable[[Any], PyTree[Array]]
) -> tuple[PyTree[np.ndarray | Array], Float[np.ndarray, " steps"]]:
    """What is visible before each step of an evaluation episode, `[steps, ...]`, and the rewards."""
    require(0 <= seed < 2**32, f"The seed is {seed}; give a whole number from 0 to 4294967295.")

    played = policy.policy, policy.environment.with_worlds(episode + 1)
    arrays, code = eqx.partition(played, eqx.is_array)

    @jax.jit  # of what is seen of one picture: its program goes with it, where Equinox would keep it for ever
    def run(arrays: Any, root: Array) -> tuple[Any, Array, Array]:
        acting, environment = eqx.combine(arrays, code)
        return replay(Episodes(environment, num_starts=1), acting, root, episode, visible)

    with jax.default_matmul_precision(policy.spec.matmul_precision):
        states, rewards, ended = run(arrays, jax.random.key(seed))
    length = int(np.argmax(ended)) + 1 if np.any(ended) else len(ended)
    return jax.tree.map(lambda leaf: _on_host(leaf)[:length], states), np.asarray(rewards)[:length]


def _on_host(leaf: Array) -> Any:
    """NumPy's array, but for random keys, which NumPy does not know."""
    return leaf if jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key) else np.asarray(leaf)


def _described(frame: Any) -> str:
    return f"{frame.dtype}{frame.shape}" if isinstance(frame, np.ndarray) else repr(frame)[:80]
