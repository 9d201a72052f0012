"""Readers of statements: files that staff downloads from a provider, with the amounts collected or paid out."""

from .base import Fault, Line, Statement
from .detect import open_statement
from .formats import faults_of_formats

__all__ = ["Fault", "Line", "Statement", "faults_of_formats", "open_statement"]
