"""The HTTP side: takes events in, answers questions, streams live numbers."""
