"""For authors: from lessons/*.md and exercises/*.py to executed notebooks."""
