"""What works how on a new GPU: `make gpu-check`, or `python -m reppo.gpu_check`.

A list of parts (`plan`), each in a process of its own with a time limit, runs within a budget of seconds (`schedule`);
what each finds (`parts`) is on disk as soon as it is found, as JSON and as a table (`table`). Without a GPU it is a
rehearsal of itself, on tiny sizes.
"""
