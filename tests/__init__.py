"""The tests mirror the packages; stores are real ones."""
