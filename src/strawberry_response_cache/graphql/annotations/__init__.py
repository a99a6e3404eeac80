"""What users write: hints, tags with placeholders, and what resolvers say."""
