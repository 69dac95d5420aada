"""Baselines and one module for each table or figure."""
