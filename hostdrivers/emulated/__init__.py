"""The embedded estate: hosts and an array that answer over real SSH as the systems they stand for would."""
