"""What training leaves on disk: cards, tensors, PEFT's format."""
