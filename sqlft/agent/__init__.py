"""Questions in, predictions out: retrieve, write, run, reflect, vote. It knows no right answers."""

from sqlft.agent.agent import Agent, Way
from sqlft.agent.retrieve import Bm25, Nearest, VectorSearch
from sqlft.agent.writers import EndpointWriter, LocalWriter, Remembered, Writer

__all__ = ["Agent", "Bm25", "EndpointWriter", "LocalWriter", "Nearest", "Remembered", "VectorSearch", "Way", "Writer"]
