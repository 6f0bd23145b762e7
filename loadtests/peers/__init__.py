"""What a user would run instead, each with its best known settings; see README.md."""
