"""Object stores as everybody here uses them, for media, fetched recordings and results alike."""
