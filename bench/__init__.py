"""What it costs, as ratios to something measured on the same machine in the same minute: `python -m bench NAME`."""
