"""What joins machines: the VPN between sites and Calico between containers."""
