"""The engine, its sequences and the models it runs, on tiny random weights."""
