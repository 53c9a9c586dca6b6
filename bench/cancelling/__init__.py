"""How soon a work stops that nobody wants any more. See bench/README.md."""
