"""What a network sees: its filters and feature maps, and which pixels of an image decide."""
