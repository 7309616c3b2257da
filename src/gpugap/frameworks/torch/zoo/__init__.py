"""Networks that others have measured, to hold predictions against: transformers by their dimensions, timm's by name."""
