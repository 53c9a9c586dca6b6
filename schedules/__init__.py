"""When work runs: schedules, their triggers and calendars, and exactly one fire of each instant."""
