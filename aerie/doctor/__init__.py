"""`aerie doctor`: facts of this machine and of the federation's, and what is wrong with them."""
