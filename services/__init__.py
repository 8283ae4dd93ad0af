"""The services. One never imports another; `cli` composes them."""
