"""The modules and nn.functional."""
