"""Serialization: values to bytes and back."""
