"""The routing at sizes that nobody has at hand: federations by arithmetic, their plan, and a simulation of what BGP makes of it."""
