"""What users write: hints, tags with holes, and what resolvers say."""
