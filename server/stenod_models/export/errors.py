"""What can go wrong while a model is built; the message is for the person who asked for it."""


class ModelBuildError(Exception):
    """A model could not be fetched, verified or built. Nothing was left behind; trying again is safe."""
