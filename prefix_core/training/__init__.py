"""From examples to trained parameters, an event for every step."""
