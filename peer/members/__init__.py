"""Who is let in: the charter as it stands here, what this computer and its peers show, entering and admitting."""
