"""Datasets on disk: what they are, who may use them, how they are read. Knows no tornado, no Jupyter."""
