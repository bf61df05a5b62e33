"""Reads for screens and analysts: frozen rows or data frames, never live ORM objects."""
