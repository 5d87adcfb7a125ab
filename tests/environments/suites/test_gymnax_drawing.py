import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reppo import environments
from reppo.environments.suites.gymnax.drawing import draw_frames
from reppo.errors import ConfigurationError

QUICK = """
    Pendulum-v1 Swimmer-misc CartPole-v1 Acrobot-v1 Breakout-MinAtar FourRooms-misc FrozenLake-misc
""".split()
ALL = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in environments.GYMNAX]
SHOWS_NOTHING = ["SimpleBandit-bsuite"]


@pytest.mark.parametrize("name", ALL)
def test_every_gymnax_task_has_a_picture_that_follows_its_state(name):
    environment = environments.gymnax(name).make()
    state, _ = environment.reset(jax.random.key(0))
    action, keys = jnp.eye(environment.action_space.size)[-1], jax.random.split(jax.random.key(1), 12)
    steps = jax.jit(lambda state: jax.lax.scan(lambda s, key: (environment.step(key, s, action)[0], ()), state, keys))
    states = [jax.tree.map(np.asarray, one) for one in (state, steps(state)[0])]
    first, second = draw_frames(environment.task, states, environment.params, [0.0, 0.0], 200, 150)
    assert first.shape == (150, 200, 3) and first.dtype == np.uint8
    picture, other = first[20:].astype(int), second[20:].astype(int)  # below the caption
    assert (picture < 128).any(axis=2).sum() > 20
    assert ((np.abs(picture - other).max(axis=2) > 50).sum() > 20) == (name not in SHOWS_NOTHING)


def test_an_upright_pendulum_points_up():
    environment = environments.gymnax("Pendulum-v1").make()
    state, _ = environment.reset(jax.random.key(0))
    up, down = draw_frames(
        environment.task,
        [state.replace(theta=np.float32(angle)) for angle in (0.0, np.pi)],
        environment.params,
        [0.0, 0.0],
        200,
        200,
    )
    blue = lambda frame: ((frame[20:, :, 2] > 150) & (frame[20:, :, 0] < 100)).nonzero()[0].mean()
    assert blue(up) < 90 - 20 < 90 + 20 < blue(down)


def test_there_is_no_camera():
    environment = environments.gymnax("Pendulum-v1").make()
    assert environment.picture().steps_per_second == pytest.approx(20)
    assert environments.gymnax("CartPole-v1").make().picture().steps_per_second == pytest.approx(50)
    with pytest.raises(ConfigurationError, match="The camera is 'side', but tasks of gymnax have none. Leave it out"):
        environment.picture("side")
