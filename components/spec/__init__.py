"""The configuration: its shape, its rules, and the addresses that follow from it. No Pulumi in here."""
