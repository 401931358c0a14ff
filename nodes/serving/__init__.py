"""A modelled accelerator that serves a language model: pure but for ``service``, which streams it over gRPC.

step_time (calibrated) and published give the time of a step; batcher orders requests into steps;
replay drives it without a clock of its own.
"""
