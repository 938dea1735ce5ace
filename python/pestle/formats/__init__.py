"""What a model's answers mean: reasoning, content and tool calls, told apart as they come.

model_format  which format a model has
reader        tokens in, events out
events        what comes out
parser        what every format has in common; harmony, tagged and trailing are the parsers
marks         control tokens, told from text by their ids
calls*        the forms of tool calls
streamed*     calls that are handed on while they are written; call_heads says from where on
json_text     where a JSON value ends, and its strict spelling
untaught      calls in another form than the template teaches; calls_untaught says what those are
"""

from pestle.formats.events import CallPiece, Content, Event, Reasoning
from pestle.formats.model_format import Format, format_of
from pestle.formats.reader import Reader
from pestle.formats.untaught import UntaughtCalls

__all__ = [
    "CallPiece",
    "Content",
    "Event",
    "Format",
    "Reader",
    "Reasoning",
    "UntaughtCalls",
    "format_of",
]
