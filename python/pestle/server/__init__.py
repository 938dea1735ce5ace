"""Models over HTTP, in the ways that OpenAI's, Anthropic's and Ollama's clients speak.

app          the application: routes and what stands around them
access       who may ask
access_log   a line for each request
listening    the application on addresses of this machine; the only part that needs uvicorn
protocol     what a connection may take
endpoint     one route: body, fields, answer, errors
connection   one request over ASGI: its body, its client, its answer
fields       from the bytes of a body to typed fields
jobs         what requests of every dialect come down to, and the events that answer them
service      from jobs to answers
answers      the answers of one job as a stream of events
doorbell     how the schedulers' threads call the event loop
streams      server-sent events
once         what the log is told once
models       the models by their names
model        one of them: in memory or not, in use or not
options      limits
thinking     thinking as clients ask for it, as far as a model has switches for it
errors       what a request is told instead of an answer
dialects/    one module for each API
page/        the page in which people chat, and what it alone may ask

All runs in one event loop, but for prompts, which are laid out in threads, and the models' own
schedulers. Needs starlette, msgspec and anyio: only this package imports them.
"""

from pestle.server.app import create_app
from pestle.server.model import ModelFile
from pestle.server.options import ServerOptions
from pestle.server.page.serving import Disk

__all__ = ["Disk", "ModelFile", "ServerOptions", "create_app"]
