"""Speed, as ratios against peers and limits measured in the same run. ``python -m benchmarks`` runs all."""
