"""Property tests here have no deadline: the time of one example says nothing about the law."""

from hypothesis import settings

settings.register_profile("laws", deadline=None)
settings.load_profile("laws")
