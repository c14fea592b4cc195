"""What runs around the Pulumi program: set-up, images, bringing a whole federation up and down, its state at a glance."""
