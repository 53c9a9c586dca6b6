"""Ready-made work types."""
