"""How fast engines are on one file: what `compare_peers.py` is made of."""
