"""Load on a server: clients that behave in many ways, what they measured and what they heard.

exchange    one request over a socket of its own, with the times at which its answer came
servers     a server in a process of its own; llama_server and storm_server are such processes
speed       time to first token, between tokens, tokens a second
bars        what the server has to keep to
traffic     requests that come by chance
heard       what an answer says, whatever the API
storm       very many chats of every kind at once; storming has the whole of it
"""
