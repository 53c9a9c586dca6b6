"""Calendars: named sets of days, and when trading opens and closes on them."""
