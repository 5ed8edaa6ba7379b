"""How right the shipped model is: python -m benchmarks.accuracy --data ../shared/data, or make accuracy.

`measurements` runs the model and the baselines, `plots` draws, `document` writes docs/accuracy.md.
"""
