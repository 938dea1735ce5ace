"""Structured fuzzing: what `tools/fuzz` is made of.

kinds       what is fuzzed: how a case is made of a number, and what is done with it
chance      hostile values, and mutations of bytes and JSON
*_cases     one subject each
worker      a process that makes and runs cases, and may die
campaign    keeps workers busy, and says what became of the cases
findings    cases that failed, on the disk; the corpus
coverage    libFuzzer and atheris
"""
