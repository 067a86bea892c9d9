"""The building blocks as torch modules, and the network made of them."""
