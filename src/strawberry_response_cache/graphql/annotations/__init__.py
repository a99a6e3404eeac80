"""What users write: hints, tags with placeholders, and restrictions in resolvers."""
