"""What a scheduler costs over ten thousand schedules."""
