"""What Iris costs, next to what others cost. Run by ``make bench``; README.md says how to read it."""
