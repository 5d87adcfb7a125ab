"""PPO and SAC here against what people would install instead: `make benchmark`, or `python -m reppo.benchmark`.

Each peer (`peers`) runs in an environment of its own (`places`), by a script that knows the peer alone. All get the
same settings (`settings`), take turns (`rounds`), and stand as ratios with their spread in a table (`table`).
"""
