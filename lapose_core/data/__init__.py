"""Clips and where they come from: one small module for each kind of source."""
