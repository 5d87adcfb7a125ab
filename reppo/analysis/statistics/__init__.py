"""Numbers from arrays of scores: aggregates, intervals, tests, power. They know neither runs nor arms."""
