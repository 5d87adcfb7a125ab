import jax
from hypothesis import settings

jax.config.update("jax_numpy_rank_promotion", "raise")

# The first example compiles, which no deadline should count.
settings.register_profile("environments", deadline=None, max_examples=30)
settings.load_profile("environments")
