"""Exercises: the decorator a notebook uses, and the words that exercise files are written in."""
from .notebook import exercise, install, solution, verdict
from .predictions import predict, reveal
from .standing import progress
from .vocabulary import (Random, close, decode, expect, expect_like, given, linear_classifier, linear_gradient, note, noted, refusal, right,
                         score, suspect, uses, wrong)
from .wire import kind_of, short

install()
