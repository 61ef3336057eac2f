"""What networks are made of: layers and encoders, other people's trunks, and heads read later."""
