"""Measuring: data sets with truth, what is scored on them and how it is told, and pairs made from PDFs."""
