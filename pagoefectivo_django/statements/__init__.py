"""Readers of statements: what the provider says it collected or paid out, as files that a person downloads."""

from .base import Fault, Line, Statement
from .detect import open_statement
from .formats import FORMATS, faults_of_formats

__all__ = ["FORMATS", "Fault", "Line", "Statement", "faults_of_formats", "open_statement"]
