"""Plotly figures from data frames: return a figure, show nothing."""
