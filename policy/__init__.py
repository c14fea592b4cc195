"""The policy pack: what must hold for every stack, judged at each preview. The rules are in `rules`, as pure functions."""
