"""Map tiles, served by a satellite to whoever is below it."""

PORT = 9000
METHOD = "Get"
SERVICE = "tilecache.Tiles"
