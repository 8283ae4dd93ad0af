"""Synthetic traffic: the original system's events, or a shop whose true sessions are known.

`pace` says when the next event is due, a model (`original`, `shop`) makes it, and `arrivals` delays, repeats and spoils
it: all of that is pure. `publishing` sends what comes of it to the streams, `writing` to a file.
"""
