"""Pure arithmetic and decisions of the telecom business; the bottom floor, imports nothing of ours."""
