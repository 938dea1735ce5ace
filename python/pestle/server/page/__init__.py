"""The page in which people chat, and what it alone may ask of the server.

assets       the built files of web/, and the headers under which a browser takes them
guard        who may manage: a browser on this machine, at this server's own page
action       one thing that the page may ask for
machine      what the machine is doing
shelf        models on this disk and those that could be fetched
downloads    models that are on their way
serving      loading and unloading
saved_chats  chats as sessions on this disk
routes       all of it

None of this belongs to the APIs that other programs speak: it may change with every version.
"""
