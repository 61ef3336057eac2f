"""What is asked beyond the class of a digit: every system beside its twin without attention."""
