"""Fits what makes a model's variances honest, on rendered drives."""
