"""Arms compared by their scores: with the base, over tasks, as designs, as settings of hyperparameters."""
