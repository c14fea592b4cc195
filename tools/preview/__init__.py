"""What a change would do, told before it is done: which stacks it touches, their previews read, and what it costs."""
