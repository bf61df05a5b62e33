"""HTTP beside the screens: thin, calls actions."""
