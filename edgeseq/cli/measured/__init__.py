"""What was measured, as text for a terminal."""
