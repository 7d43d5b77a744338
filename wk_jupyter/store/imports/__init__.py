"""From files that somebody brings to a dataset: what they are, what is to come of them, and their place."""
