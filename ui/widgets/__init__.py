"""Pieces of screens that need Streamlit."""
