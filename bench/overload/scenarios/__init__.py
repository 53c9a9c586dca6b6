"""The scenarios by name, and what each leaves behind."""
