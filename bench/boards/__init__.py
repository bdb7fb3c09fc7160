"""Boards under many hands."""
