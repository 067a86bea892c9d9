"""How large everything is: axes, layers, the plan of a network, and whether it fits."""
