import jax
import numpy as np
import pytest

from reppo import environments
from reppo.environments.suites.gymnax.drawing import DRAWINGS, draw_frames, picture
from reppo.errors import ConfigurationError


@pytest.mark.parametrize("name", environments.GYMNAX)
def test_every_gymnax_task_has_a_picture_that_follows_its_state(name):
    environment = environments.gymnax(name).make()
    states = [environment.reset(jax.random.key(seed))[0] for seed in (0, 1)]
    first, second = draw_frames(name, states, environment.params, [0.0, 0.0], 200, 150)
    assert first.shape == (150, 200, 3) and first.dtype == np.uint8
    picture, other = first[20:].astype(int), second[20:].astype(int)  # below the caption
    assert (picture < 128).any(axis=2).sum() > 20
    assert (np.abs(picture - other).max(axis=2) > 50).sum() > 20
    assert name in DRAWINGS


def test_an_upright_pendulum_points_up():
    environment = environments.gymnax("Pendulum-v1").make()
    state, _ = environment.reset(jax.random.key(0))
    up, down = draw_frames(
        "Pendulum-v1",
        [state.replace(theta=np.float32(angle)) for angle in (0.0, np.pi)],
        environment.params,
        [0.0, 0.0],
        200,
        200,
    )
    blue = lambda frame: ((frame[20:, :, 2] > 150) & (frame[20:, :, 0] < 100)).nonzero()[0].mean()
    assert blue(up) < 90 - 20 < 90 + 20 < blue(down)


def test_what_has_no_picture_is_refused():
    environment = environments.gymnax("Pendulum-v1").make()
    assert environment.picture().steps_per_second == pytest.approx(20)
    with pytest.raises(ConfigurationError, match="The camera is 'side', but tasks of gymnax have none. Leave it out"):
        environment.picture("side")
    with pytest.raises(ConfigurationError, match="no picture of Other-v0; of gymnax these have one: Pendulum-v1, "):
        picture("Other-v0", environment.params, None)
