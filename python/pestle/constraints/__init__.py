"""What an answer may consist of: schemas, grammars and forced calls, as masks over the vocabulary.

grammar      what a caller may ask for, as a grammar that was checked
bounds       how large it may be; dialects: what its regular expressions mean
vocabulary   a tokenizer's vocabulary as the parser of grammars wants it
matcher      a text that follows a grammar, and which tokens may come next
calls        tool calls as grammars; call_values: those of forms in which strings stand bare
phases       the parts of an answer: free ones, fixed tokens, a grammar's text
constraint   an answer on its way through its parts
plans        which parts a model's answers have

The grammars themselves are `llguidance`'s. A mask is uint32 [ceil(n_vocab / 32)]: token t may come
if bit t % 32 of word t / 32 is set.
"""

from pestle.constraints.call_values import CallableTool
from pestle.constraints.constraint import Constraint
from pestle.constraints.grammar import Grammar, grammar_of
from pestle.constraints.plans import Plan, Planner, Requirements, planner, text_plan

__all__ = [
    "CallableTool",
    "Constraint",
    "Grammar",
    "Plan",
    "Planner",
    "Requirements",
    "grammar_of",
    "planner",
    "text_plan",
]
