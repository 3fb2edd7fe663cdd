"""Name the hardware and the framework, get a GLM-5.2 deployment that is right."""

__version__ = "0.1.0"
