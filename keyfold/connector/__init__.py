"""What the WITH clause of a source may say, by connector: the ground of readers and of checks."""
